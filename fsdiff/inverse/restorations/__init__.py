"""Restorations that need no model and have one answer: interpolation, harmonic inpainting."""
