"""Figures and the summary table: in-memory results in, ``matplotlib`` figures or HTML out."""
