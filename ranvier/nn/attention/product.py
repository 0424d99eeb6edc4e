"""The product of query, key and value without a softmax. Source: Zhou et al. 2023, arXiv:2209.15425, eq. 6.

Letters: T time, B batch, C channels, h heads, d = C / h, N = H W positions.
"""

from typing import Literal, NamedTuple

from torch import Tensor, nn

from ranvier.core.errors import ConfigError, ShapeError

Order = Literal["auto", "keys-values", "queries-keys"]


class ProductCount(NamedTuple):
    """Multiplications of one call, over all its time steps and samples."""

    dense: int
    effective: int  # both factors non-zero
    additions: bool  # whether all factors are 0 or 1, so that they are additions


class TokenSum(nn.Module):
    """The sum of spikes over tokens, (T, B, C, ...) to (T, B, C): a module, so that its additions can be counted."""

    def forward(self, spikes_TBC: Tensor) -> Tensor:
        """Add up."""
        return spikes_TBC.flatten(3).sum(-1)

    def dense(self, spikes_TBC: Tensor) -> int:
        """Count the additions of a call in which everything fires."""
        return spikes_TBC.numel()

    def count(self, spikes_TBC: Tensor) -> ProductCount:
        """Count the additions of a call: one for each spike."""
        binary = bool((spikes_TBC == (spikes_TBC != 0)).all())
        return ProductCount(dense=self.dense(spikes_TBC), effective=int((spikes_TBC != 0).sum()), additions=binary)


class AttentionProduct(nn.Module):
    """A = scale * (Q K^T) V in each head: a position's output is the sum of the values whose keys meet its query.

    Nothing bends between the two products, so their order is free: Q (K^T V) takes 2 N d^2 multiplications a head,
    (Q K^T) V takes 2 N^2 d. The results are the same number by number as long as the sums are exact, as those of spikes
    are in float32 (below 2^24); in bfloat16 sums above 256 are rounded.

    Args: heads: h. scale: a constant, 0.125 in the source whatever d is. order: "auto" takes the cheaper one.
    Raises: ConfigError for no heads; ShapeError unless C is a multiple of h and all three have one shape.
    """

    def __init__(self, heads: int, *, scale: float = 0.125, order: Order = "auto") -> None:
        super().__init__()
        if heads < 1:
            raise ConfigError("AttentionProduct.heads", expected="at least 1", got=repr(heads))
        if order not in ("auto", "keys-values", "queries-keys"):
            raise ConfigError(
                "AttentionProduct.order", expected='"auto", "keys-values" or "queries-keys"', got=repr(order)
            )
        self.heads, self.scale, self.order = heads, scale, order

    def forward(self, query_TBC: Tensor, key_TBC: Tensor, value_TBC: Tensor) -> Tensor:
        """Attend. Args: all three (T, B, C, ...), with positions after the channels. Returns: the same shape."""
        if not query_TBC.shape == key_TBC.shape == value_TBC.shape:
            got = " and ".join(str(tuple(x.shape)) for x in (query_TBC, key_TBC, value_TBC))
            raise ShapeError("AttentionProduct", expected="query, key and value of one shape", got=got)
        q_dN, k_dN, v_dN = (self._split(x) for x in (query_TBC, key_TBC, value_TBC))
        if self._keys_first(*q_dN.shape[-2:]):
            out_dN = (v_dN @ k_dN.transpose(-1, -2)) @ q_dN  # (V^T K) Q^T, the transpose of Q (K^T V)
        else:
            out_dN = v_dN @ (k_dN.transpose(-1, -2) @ q_dN)  # V^T (K Q^T)
        return (self.scale * out_dN).reshape(query_TBC.shape)

    def count(self, query_TBC: Tensor, key_TBC: Tensor, value_TBC: Tensor) -> ProductCount:
        """Count the multiplications of a call in the order that it takes."""
        spikes = tuple((x != 0).to(x.dtype) for x in (query_TBC, key_TBC, value_TBC))
        q_dN, k_dN, v_dN = (self._split(x) for x in spikes)
        size, places = q_dN.shape[-2:]
        keys_first = self._keys_first(size, places)
        if keys_first:
            inner = v_dN.double().sum(-2) * k_dN.double().sum(-2)  # (..., N): products at each position
            middle = ((v_dN @ k_dN.transpose(-1, -2)) != 0).double().sum(-2)  # (..., d): outputs that a channel reaches
            outer = middle * q_dN.double().sum(-1)
        else:
            inner = k_dN.double().sum(-1) * q_dN.double().sum(-1)  # (..., d)
            middle = ((k_dN.transpose(-1, -2) @ q_dN) != 0).double().sum(-1)  # (..., N): queries that a key meets
            outer = middle * v_dN.double().sum(-2)
        dense = self.dense(query_TBC, key_TBC, value_TBC)
        binary = all(bool((x == (x != 0)).all()) for x in (query_TBC, key_TBC, value_TBC))
        return ProductCount(dense=dense, effective=int(inner.sum() + outer.sum()), additions=binary)

    def dense(self, query_TBC: Tensor, key_TBC: Tensor, value_TBC: Tensor) -> int:  # noqa: ARG002 - all of one shape
        """Count the multiplications of a call in which nothing is 0, in the order that it takes."""
        size, places = self._split(query_TBC).shape[-2:]
        return 2 * query_TBC.numel() * (size if self._keys_first(size, places) else places)

    def _split(self, x_TBC: Tensor) -> Tensor:
        """Take the heads apart: (T, B, h, d, N)."""
        num_steps, batch, channels = x_TBC.shape[:3]
        if channels % self.heads:
            expected = f"channels that are a multiple of the {self.heads} heads"
            raise ShapeError("AttentionProduct", expected=expected, got=str(channels))
        return x_TBC.reshape(num_steps, batch, self.heads, channels // self.heads, -1)

    def _keys_first(self, size: int, places: int) -> bool:
        return places > size if self.order == "auto" else self.order == "keys-values"

    def extra_repr(self) -> str:
        """Show heads and scale."""
        return f"heads={self.heads}, scale={self.scale:g}, order={self.order!r}"
