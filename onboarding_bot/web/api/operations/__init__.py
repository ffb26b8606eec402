"""What the JSON endpoints take and answer, as data: requests are read by it, and the OpenAPI document is made of it."""
