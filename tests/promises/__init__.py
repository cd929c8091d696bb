"""What is promised of the handling of data, a module for each promise: docs/handling.md."""
