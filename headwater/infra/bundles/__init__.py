"""The zips that functions and Spark run from, built without Pulumi."""
