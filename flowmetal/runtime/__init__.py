"""Machines over time: a run is claimed, advanced, committed, let go of and found again."""
