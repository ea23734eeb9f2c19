"""What holds for any input: targets, run for a while by ``make fuzz`` and for a moment by the suite."""
