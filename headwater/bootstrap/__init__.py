"""What must exist before the first deployment: the bucket that Pulumi keeps its state in."""
