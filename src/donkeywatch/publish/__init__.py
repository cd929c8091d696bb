"""What leaves, and all of it from one consistent view of the database."""
