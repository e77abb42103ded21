"""Training: from pinned data to a judged model, compiled so that serving needs no user code."""
