"""The packages that the project needs: how they are locked, installed, and looked up among known vulnerabilities."""
