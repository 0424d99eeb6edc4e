"""The C++ vector machine: runs any program over blocks of neurons that stay in the cache through all time steps."""

from ranvier.kernels.cpu.machine import absence, backward, forward

__all__ = ["absence", "backward", "forward"]
