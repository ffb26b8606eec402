"""The JSON endpoints for operators, admins and the web app, and what they have in common."""
