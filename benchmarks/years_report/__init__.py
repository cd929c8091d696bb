"""Three simulated years, counted and reported: is what was planted found?"""
