"""The lake: each upload becomes rows and a commit."""
