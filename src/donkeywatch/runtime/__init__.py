"""What drives it all: the service, the engine, a block's way, closing, clocks and recovery."""
