"""The executor for GPUs: prints programs as Triton kernels and launches them."""

from ranvier.kernels.gpu.launch import absence, backward, forward

__all__ = ["absence", "backward", "forward"]
