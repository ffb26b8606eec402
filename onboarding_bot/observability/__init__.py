"""What is told to operators and to Prometheus: the log, metrics, and the trace of a request."""
