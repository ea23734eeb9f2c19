"""The words between machine and world: requests, results, the table of kinds."""
