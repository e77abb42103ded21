"""Views that outgrow one machine, computed by Spark on EMR Serverless."""
