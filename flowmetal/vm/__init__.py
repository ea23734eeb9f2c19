"""Programs to outcomes: the machine. It does no input or output and reads no clock."""
