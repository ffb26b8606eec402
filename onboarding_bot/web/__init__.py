"""HTTP and nothing else: parse, authenticate, call a use case, answer."""
