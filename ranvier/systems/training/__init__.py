"""Ways of training a spiking network."""
