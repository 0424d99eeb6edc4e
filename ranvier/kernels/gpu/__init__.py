"""The executor for GPUs: prints programs as Triton kernels and launches them."""

from ranvier.kernels.gpu.device import absence
from ranvier.kernels.gpu.launch import backward, forward

__all__ = ["absence", "backward", "forward"]
