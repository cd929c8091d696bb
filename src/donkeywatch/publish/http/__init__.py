"""The API, the page and their server."""
