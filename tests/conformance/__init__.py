"""The conformance suite: every scenario a log follower must survive, under its matrix."""
