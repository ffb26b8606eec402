"""What the bot writes and what owners write in each language: one folder of texts and spellings for each."""
