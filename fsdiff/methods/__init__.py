"""Methods: what an experiment trains, and draws its samples from."""
