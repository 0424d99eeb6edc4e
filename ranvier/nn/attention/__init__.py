"""Spiking attention: what neurons of one position read of the others, without a softmax."""

from ranvier.nn.attention.product import AttentionProduct, ProductCount, TokenSum
from ranvier.nn.attention.sdsa import SDSA1, SDSA2, SDSA3, SDSA4
from ranvier.nn.attention.ssa import SSA

__all__ = ["SDSA1", "SDSA2", "SDSA3", "SDSA4", "SSA", "AttentionProduct", "ProductCount", "TokenSum"]
