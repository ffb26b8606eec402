"""A stand-in for the outside world: Twilio, the auth API, the web app and the owner's phone."""
