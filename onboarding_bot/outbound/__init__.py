"""The rules of what the bot sends on its own account, and not as the reply to a message; pure, without I/O.

That is broadcasts (their definitions, states, waves, retries and Twilio's error codes) and reminders, with the 24-hour
window and the due work that both depend on.
"""
