"""Encoders, one code a file: values (B, ...) become sequences (T, B, ...)."""

from ranvier.nn.encode.delta import delta
from ranvier.nn.encode.direct import direct
from ranvier.nn.encode.latency import latency
from ranvier.nn.encode.phase import phase
from ranvier.nn.encode.population import population, receptive_fields
from ranvier.nn.encode.rate import poisson, rate
from ranvier.nn.encode.sigma_delta import sigma_delta

__all__ = ["delta", "direct", "latency", "phase", "poisson", "population", "rate", "receptive_fields", "sigma_delta"]
