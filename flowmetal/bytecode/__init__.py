"""The contract between compiler and machine: instructions, code, programs, the file."""
