"""Spiking attention: what neurons of one position read of the others, without a softmax."""

from ranvier.nn.attention.product import AttentionProduct, ProductCount
from ranvier.nn.attention.ssa import SSA

__all__ = ["SSA", "AttentionProduct", "ProductCount"]
