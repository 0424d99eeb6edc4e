"""Expressive leaky memory: the neuron on long tasks and as a copy of detailed neurons."""
