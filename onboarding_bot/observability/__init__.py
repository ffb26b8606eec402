"""What the bot shows operators and Prometheus of its work: the log, the metrics, and the trace of each request."""
