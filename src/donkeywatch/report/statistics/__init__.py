"""Statistics of series and daily profiles: pure functions of arrays, each with its source."""
