"""Records of streams and messages of queues as files."""
