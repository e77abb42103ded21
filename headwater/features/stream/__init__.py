"""Streamed features: rows sent one by one, online at once and in the lake within the hour."""
