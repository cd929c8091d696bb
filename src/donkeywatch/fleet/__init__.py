"""Many servers, one exact union: shared weekly keys, and rows united on ClickHouse."""
