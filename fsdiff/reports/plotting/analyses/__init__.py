"""Figures of exact experiments: a module for each kind of analysis, with a function ``draw``."""
