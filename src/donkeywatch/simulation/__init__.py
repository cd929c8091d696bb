"""The laboratory: searches whose true counts are known, to test everything else against."""
