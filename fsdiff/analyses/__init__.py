"""Numerical experiments whose answer is known exactly."""
