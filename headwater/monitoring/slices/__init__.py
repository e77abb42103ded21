"""Error analysis: the slices of predictions that lose more than the others, such as ``carrier=UA`` and evenings."""
