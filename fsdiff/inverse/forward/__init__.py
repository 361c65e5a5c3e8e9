"""Maps from a field to what is observed of it, with their derivatives and adjoints."""
