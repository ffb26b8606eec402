"""The conversation as pure functions: no Redis, Flask, HTTP, environment or clock in here."""
