"""What performs effects: HTTP, commands, files, functions of the host. Each loads when first used."""
