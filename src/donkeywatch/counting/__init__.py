"""Exact counts over windows of event time; knows neither addresses nor words."""
