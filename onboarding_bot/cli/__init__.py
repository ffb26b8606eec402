"""Programs for the operator, each started by its verb of deploy.sh: they print a summary and answer by exit code."""
