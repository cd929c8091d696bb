"""What each kind of log line means."""
