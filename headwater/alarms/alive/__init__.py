"""Signs of life: heartbeats that others send, and pings that the alarm manager sends."""
