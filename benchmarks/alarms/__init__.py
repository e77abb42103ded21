"""The alarm manager in a storm."""
