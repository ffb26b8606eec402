"""The MSMEBazaar WhatsApp bot: sign-up for small businesses, one message at a time."""

__version__ = "0.1.0"
