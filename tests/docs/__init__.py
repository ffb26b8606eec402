"""The documents say what the code does, and nothing else."""
