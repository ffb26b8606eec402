"""The dashboard: pages on which operators and admins watch the bot, and write and watch broadcasts."""
