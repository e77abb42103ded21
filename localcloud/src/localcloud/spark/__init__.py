"""EMR Serverless: applications, and job runs that are Spark on this machine."""

from localcloud.spark.emulator import EmrServerless

__all__ = ["EmrServerless"]
