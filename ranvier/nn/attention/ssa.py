"""Spiking self-attention. Source: Zhou et al. 2023, "Spikformer", ICLR, arXiv:2209.15425, eq. 5 to 7.

Letters: T time, B batch, C channels, H W space.
"""

from collections.abc import Callable

from torch import Tensor, nn

from ranvier.core.neuron import Neuron
from ranvier.nn.attention.product import AttentionProduct, Order
from ranvier.nn.conv_norm import conv_norm
from ranvier.nn.folding import call
from ranvier.nn.sequential import Sequential, build
from ranvier.nn.spiking import Spiking
from ranvier.nn.stateful import TimeAware

Project = Callable[[int, int], nn.Module]  # (channels in, channels out) -> a layer of maps (B, C, H, W)


class SSA(TimeAware):
    """Spiking self-attention: spikes (T, B, C, H, W) in, currents of the same shape out.

    Q, K, V = neuron(project(x)), each of spikes alone; A = scale * Q K^T V (``AttentionProduct``);
    y = project(attention neuron(A)). Nothing is normalised, as all factors are non-negative. What comes after y is
    the block's: the neuron, in Spikformer; the shortcut of a membrane, in Meta-SpikeFormer and Max-Former, whose
    blocks begin with a neuron: ``Residual(Sequential(lif, SSA(...)))``.

    Args:
        channels: C. heads: into which C is parted. neuron: after each projection. scale: of the product.
        threshold: v_th of the attention neuron, otherwise like ``neuron``.
        project: makes the layers of Q, K and V; 1 x 1 convolutions with batch norm, unless given. out: makes the last
            one; like ``project``, unless given. order: see ``AttentionProduct``.
    Raises: ShapeError unless C is a multiple of the heads.
    """

    def __init__(
        self, channels: int, *, heads: int, neuron: Neuron, scale: float = 0.125, threshold: float = 0.5,
        project: Project = conv_norm, out: Project | None = None, order: Order = "auto",
    ) -> None:  # fmt: skip
        super().__init__()
        self.query, self.key, self.value = (
            Sequential({"project": project(channels, channels), "neuron": neuron}) for _ in range(3)
        )
        self.product = AttentionProduct(heads, scale=scale, order=order)
        self.attention = Spiking(neuron.replace(v_th=threshold))
        self.out = build('SSA "out"', (out or project)(channels, channels))

    def forward(self, x_TBC: Tensor) -> Tensor:
        """Attend among the positions of each time step."""
        query_TBC, key_TBC, value_TBC = (
            call(name, layer, x_TBC)
            for name, layer in (("query", self.query), ("key", self.key), ("value", self.value))
        )
        return call("out", self.out, self.attention(self.product(query_TBC, key_TBC, value_TBC)))
