"""Systems that see still images."""
