"""The bucket of Pulumi's state, which must exist before the first deployment."""
