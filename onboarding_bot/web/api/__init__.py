"""The JSON endpoints for operators, admins and the web app: guards, rate limits, problems, views, OpenAPI document."""
