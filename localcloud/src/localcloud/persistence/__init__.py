"""The local cloud's state on disk: what was acknowledged is there after a crash, a stop or a reboot."""
