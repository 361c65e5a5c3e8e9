"""What is told of inverse problems: calibration of posteriors, tables, standings and verdicts."""
