"""Forms to programs."""
