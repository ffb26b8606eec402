"""The calls that Twilio makes: messages, their fallback, and status callbacks."""
