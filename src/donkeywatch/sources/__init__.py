"""Bytes of whole lines and their position, from live logs and finished archives."""
