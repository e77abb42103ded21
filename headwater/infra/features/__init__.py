"""Features: offline rows by Spark, online ones by file or stream, and the checks of both."""
