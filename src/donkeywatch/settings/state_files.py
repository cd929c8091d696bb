"""Names of the files in a state directory."""

DATABASE = "donkeywatch.db"
DATABASE_SIDE_FILES = ("-wal", "-shm", "-journal")
"""Endings of the names of what SQLite keeps beside a database."""
LOCK = "lock"
"""A file that the process which writes to the state holds locked."""
DAEMON_PID = "daemon.pid"
"""A file that the daemon holds locked, with its process id."""
DAMAGED_MARKER = "damaged"
"""A file that says: nothing opens this database to write any more."""
BACKUPS = "backups"
QUARANTINE = "quarantine"
"""Where a damaged database is kept, until the keys of its weeks are destroyed."""
