"""What every component stands on: settings, names, keys, permissions, buckets, tables, functions and state machines."""
