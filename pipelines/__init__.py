"""The model products of this project, a folder each: `headwater init NAME` writes one."""
