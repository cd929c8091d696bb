"""Three years of hours: how fast are the metrics and the page?"""
