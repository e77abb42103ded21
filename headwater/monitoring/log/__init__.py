"""The prediction log as tables: records, their hourly compaction, and reading them."""
