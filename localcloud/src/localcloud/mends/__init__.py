"""Where moto answers otherwise than AWS and one replaced method mends it."""
