"""Where trainings and large ingestions run: the cluster, its task, and the network."""
