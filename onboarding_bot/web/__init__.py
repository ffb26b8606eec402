"""HTTP and nothing else: parse, authenticate, call the bot, answer."""
