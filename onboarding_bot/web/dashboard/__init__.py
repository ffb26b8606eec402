"""The operators' pages in a browser: sign-ups, health and broadcasts."""
