"""Data: where they come from, their hierarchy of resolutions, and the files they are kept in."""
