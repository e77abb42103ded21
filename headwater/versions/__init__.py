"""Git-like versions over a versioned bucket: commits pin S3 versions, nothing is copied and nothing runs."""
