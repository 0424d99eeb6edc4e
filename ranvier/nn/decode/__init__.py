"""Decoders, one read-out a file: sequences (T, B, ...) become values (B, ...), outside the network, after its time."""

from ranvier.nn.decode.delta import delta
from ranvier.nn.decode.latency import first_spike, latency
from ranvier.nn.decode.membrane import highest, last, mean
from ranvier.nn.decode.phase import phase
from ranvier.nn.decode.population import population
from ranvier.nn.decode.rate import count, rate

__all__ = ["count", "delta", "first_spike", "highest", "last", "latency", "mean", "phase", "population", "rate"]
