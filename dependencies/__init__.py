"""The packages that the project is installed with: locks them, and looks them up among known vulnerabilities."""
