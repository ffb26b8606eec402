"""Everything that is called over HTTP: Twilio's webhooks, the JSON endpoints, and the dashboard."""
