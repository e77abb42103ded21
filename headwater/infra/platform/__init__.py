"""The ground of every component: settings, names, keys, permissions, buckets, tables, functions and state machines."""
