"""One SQLite database, one transaction per checkpoint."""
