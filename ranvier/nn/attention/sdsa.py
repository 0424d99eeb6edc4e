"""Spike-driven self-attention: products of spikes, made spikes again by neurons; no softmax.

Source: Yao et al. 2023 (Spike-driven Transformer), arXiv:2307.01694; Yao et al. 2024 (Meta-SpikeFormer),
arXiv:2404.03663. Letters: T time, B batch, C channels = heads * D, N tokens.

Queries, keys and values are spikes (T, B, C, ...); whatever follows the channels, such as H and W, are the tokens. What
comes out is spikes of the same shape. The cost is linear in the number of tokens.
"""

import torch
from torch import Tensor, nn

from ranvier.core.errors import ShapeError
from ranvier.core.neuron import Neuron
from ranvier.nn.attention.product import AttentionProduct, TokenSum
from ranvier.nn.spiking import Spiking
from ranvier.nn.stateful import TimeAware


class SDSA1(TimeAware):
    """Q * S(sum over tokens of K * V): a mask of channels; C N additions and no product of numbers.

    Args: neuron: S, fires on the sums, one for each channel.
    """

    def __init__(self, neuron: Neuron) -> None:
        super().__init__()
        self.sum = TokenSum()
        self.spiking = Spiking(neuron)

    def forward(self, query_TBC: Tensor, key_TBC: Tensor, value_TBC: Tensor) -> Tensor:
        """Attend: three times (T, B, C, ...) -> (T, B, C, ...). Raises: ShapeError if the shapes differ."""
        _check("SDSA1", query_TBC, key_TBC, value_TBC)
        return query_TBC * _spread(self.spiking(self.sum(key_TBC * value_TBC)), query_TBC)


class SDSA2(TimeAware):
    """K * S(sum over tokens of Q): a mask of channels without values.

    The form as we have it at second hand: no public text with its equation was at hand to check it against.

    Args: neuron: S, fires on the sums, one for each channel.
    """

    def __init__(self, neuron: Neuron) -> None:
        super().__init__()
        self.sum = TokenSum()
        self.spiking = Spiking(neuron)

    def forward(self, query_TBC: Tensor, key_TBC: Tensor) -> Tensor:
        """Attend: twice (T, B, C, ...) -> (T, B, C, ...). Raises: ShapeError if the shapes differ."""
        _check("SDSA2", query_TBC, key_TBC)
        return key_TBC * _spread(self.spiking(self.sum(query_TBC)), key_TBC)


class SDSA3(TimeAware):
    """S(scale * Q (K^T V)), in each head: the D x D product first, so 2 C D N additions.

    K^T V counts coincidences of spikes, Q chooses rows of counts to be added. The scale is the same at every width; for
    a neuron that starts at 0 and resets to 0 it is the same as a threshold divided by it.

    Args: neuron: S. heads: divide the channels. scale: of the sums.
    """

    def __init__(self, neuron: Neuron, *, heads: int, scale: float = 0.125) -> None:
        super().__init__()
        self.product = AttentionProduct(heads, scale=scale, order="keys-values")
        self.spiking = Spiking(neuron)

    def forward(self, query_TBC: Tensor, key_TBC: Tensor, value_TBC: Tensor) -> Tensor:
        """Attend: three times (T, B, C, ...) -> (T, B, C, ...).

        Raises: ShapeError if the shapes differ or the heads do not divide the channels.
        """
        spikes: Tensor = self.spiking(self.product(query_TBC, key_TBC, value_TBC))
        return spikes


class SDSA4(TimeAware):
    """SDSA3 with a learned threshold in place of a fixed scale: S(Q (K^T V)) that fires at v_th / scale.

    Learning the scale of the sums is the same thing for a neuron that starts at 0 and resets to 0. ``log_scale`` is its
    logarithm, which keeps it positive; one number a layer.

    Args: neuron: S. heads: divide the channels. scale: where learning starts.
    """

    def __init__(self, neuron: Neuron, *, heads: int, scale: float = 0.125) -> None:
        super().__init__()
        self.product = AttentionProduct(heads, scale=1.0, order="keys-values")
        self.spiking = Spiking(neuron)
        self.log_scale = nn.Parameter(torch.tensor(scale).log())

    def forward(self, query_TBC: Tensor, key_TBC: Tensor, value_TBC: Tensor) -> Tensor:
        """Attend; as SDSA3."""
        spikes: Tensor = self.spiking(self.product(query_TBC, key_TBC, value_TBC) * self.log_scale.exp())
        return spikes


def _spread(mask_TBC: Tensor, like: Tensor) -> Tensor:
    return mask_TBC.reshape(*mask_TBC.shape, *(1,) * (like.ndim - 3))


def _check(where: str, *spikes: Tensor) -> None:
    shapes = [tuple(x.shape) for x in spikes]
    if len(set(shapes)) > 1 or len(shapes[0]) < 4:
        expected = "spikes of one shape (T, B, C, ...) with tokens"
        raise ShapeError(where, expected=expected, got=" and ".join(str(shape) for shape in shapes))
