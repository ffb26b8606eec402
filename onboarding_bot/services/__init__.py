"""Everything outside that the bot speaks to over HTTP."""
