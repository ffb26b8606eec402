"""The texts that the bot writes and the words that it understands: one folder for each language."""
