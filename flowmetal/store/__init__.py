"""Where runs live. The only interface between interpreters, and to the outside."""
