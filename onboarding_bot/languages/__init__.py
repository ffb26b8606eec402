"""What owners write in each language: the spellings behind commands, answers and sectors."""
