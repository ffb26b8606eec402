"""Backups of all that Redis holds: taken while everything runs, restored without the people who were erased since."""
