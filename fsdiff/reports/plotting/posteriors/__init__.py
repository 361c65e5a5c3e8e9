"""Figures of posteriors: fields, calibration, errors by resolution, spread over time."""
