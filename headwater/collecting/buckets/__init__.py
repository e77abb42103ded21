"""Objects of other buckets."""
