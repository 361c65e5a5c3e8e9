"""Diffusion models: what noise makes of data, networks that undo it, and drawing samples."""
