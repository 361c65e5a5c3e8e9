"""How far draws of posteriors are from references, from the truth, and from being calibrated."""
