"""The REPL: a terminal around ``flowmetal.embed.interactive``, and the Pygments lexer."""
