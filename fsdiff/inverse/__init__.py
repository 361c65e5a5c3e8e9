"""Inverse problems: what is observed of a function, and models that are conditioned on it."""
