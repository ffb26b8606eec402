"""Clients of other services over HTTP: Twilio and the auth API; WhatsApp templates, and the doctor."""
