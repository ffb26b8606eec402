"""The operators' pages: what goes on, and the broadcasts, in a browser."""
