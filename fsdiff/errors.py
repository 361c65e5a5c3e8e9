"""What all errors have in common that people are to read."""


class Error(Exception):
    """Something that a person can mend; the message names the thing and the remedy."""
