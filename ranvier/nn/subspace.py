"""The subspace of a layer's inputs, learned by lateral connections. Source: Xiao et al. 2024, ICLR, arXiv:2402.11984.

Letters: B rows, N features in, R subspace neurons.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, unfold

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.kernels.packed import PackedSpikes
from ranvier.nn.ws_conv import WSConv2d


class Subspace(nn.Module):
    """Neurons that learn the principal subspace of what a layer hears, task by task.

    Each of them has lateral connections h (N) from the layer's inputs, and back. Together, H (R, N), they

        answer       y = x H^T
        reconstruct  x^ = y H
        learn        dH = y^T (x - x^) / B, of each number at most 10;  M <- m M + (1 - m) dH;  H <- H + lr M

    which is Oja's subspace rule: Hebbian for x, anti-Hebbian for x^. The rows of H come to be an orthonormal basis of
    the directions of largest mean square. Rows that are frozen answer and reconstruct but learn no more, so rows that
    are added later learn what those leave over.

    All of its state is in its buffers, of the same shapes from the start: it lies in checkpoints and ``state_dict``.
    It has no part in the forward pass of the layer; the rule ``HLOP`` drives it.

    Args:
        num_inputs: N. capacity: most rows it may ever have. lr, momentum, iterations: of learning; so many updates for
            each batch, each with answers anew.
        levels: answers are signed bursts of spikes: whole multiples of ``largest`` / levels, and at most ``largest``.
            None: they are real numbers.
    Attributes: lateral (capacity, N), rows beyond ``num_rows`` are 0; velocity, M; num_rows; num_frozen.
    Raises: ConfigError for numbers that make no sense.
    """

    lateral: Tensor
    velocity: Tensor
    num_rows: Tensor
    num_frozen: Tensor

    def __init__(
        self, num_inputs: int, capacity: int, *, lr: float = 0.01, momentum: float = 0.9, iterations: int = 5,
        levels: int | None = None, largest: float = 20.0,
    ) -> None:  # fmt: skip
        super().__init__()
        if not 1 <= capacity <= num_inputs:
            mend = "A layer whose whole input space is taken could not learn any more."
            raise ConfigError("Subspace.capacity", expected=f"1 to {num_inputs} rows", got=str(capacity), mend=mend)
        if not lr > 0:
            raise ConfigError("Subspace.lr", expected="a rate > 0", got=str(lr))
        if not 0 <= momentum < 1:
            raise ConfigError("Subspace.momentum", expected="a number in [0, 1)", got=str(momentum))
        if iterations < 1:
            raise ConfigError("Subspace.iterations", expected="at least 1", got=str(iterations))
        if (levels is not None and levels < 1) or not largest > 0:
            got = f"{levels} up to {largest:g}"
            raise ConfigError("Subspace.levels", expected="at least 1 up to a number > 0", got=got)
        self.num_inputs, self.capacity = num_inputs, capacity
        self.lr, self.momentum, self.iterations = lr, momentum, iterations
        self.levels, self.largest = levels, largest
        self.register_buffer("lateral", torch.zeros(capacity, num_inputs))
        self.register_buffer("velocity", torch.zeros(capacity, num_inputs))
        self.register_buffer("num_rows", torch.zeros((), dtype=torch.int64))
        self.register_buffer("num_frozen", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def grow(self, num: int, generator: torch.Generator) -> None:
        """Add rows: orthonormal ones in random directions, at right angles to those that are there.

        Raises: ConfigError beyond the capacity.
        """
        before = int(self.num_rows)
        if num < 0 or before + num > self.capacity:
            expected = f"at most {self.capacity - before} more rows"
            raise ConfigError("Subspace.grow", expected=expected, got=str(num), mend="Build it with a larger capacity.")
        if not num:
            return
        drawn_RN = torch.randn(num, self.num_inputs, generator=generator, dtype=torch.float64)
        old_NR, _ = torch.linalg.qr(self.lateral[:before].to("cpu", torch.float64).T)
        for _ in range(2):  # once leaves rounding errors behind that QR would make large
            drawn_RN -= drawn_RN @ old_NR @ old_NR.T
        basis_NR, _ = torch.linalg.qr(drawn_RN.T)
        self.lateral[before : before + num] = basis_NR.T.to(self.lateral)
        self.num_rows += num

    def freeze(self) -> None:
        """Keep all rows as they are from now on; what they span is what ``reject`` takes away."""
        self.num_frozen.copy_(self.num_rows)

    def answer(self, x_BN: Tensor) -> Tensor:
        """Compute the answers y of all rows (B, R)."""
        return self._burst(x_BN @ self.lateral[: int(self.num_rows)].T)

    @torch.no_grad()
    def learn(self, x_BN: Tensor) -> None:
        """Learn from a batch of inputs. Frozen rows keep every bit. Raises: ShapeError for other inputs."""
        if x_BN.ndim != 2 or x_BN.shape[1] != self.num_inputs or not len(x_BN):
            raise ShapeError("Subspace.learn", expected=f"(B, {self.num_inputs}), B >= 1", got=str(tuple(x_BN.shape)))
        frozen, num = int(self.num_frozen), int(self.num_rows)
        if frozen == num:
            return
        with torch.autocast(x_BN.device.type, enabled=False):
            x_BN = x_BN.to(self.lateral.dtype)
            lateral_RN, new_RN, velocity_RN = (
                self.lateral[:num],
                self.lateral[frozen:num],
                self.velocity[frozen:num],
            )
            for _ in range(self.iterations):
                y_BR = self._burst(x_BN @ lateral_RN.T)
                change_RN = y_BR[:, frozen:].T @ (x_BN - y_BR @ lateral_RN) / len(x_BN)
                velocity_RN.mul_(self.momentum).add_(change_RN.clamp_(-10, 10), alpha=1 - self.momentum)
                new_RN.add_(velocity_RN, alpha=self.lr)

    @torch.no_grad()
    def reject(self, x_BN: Tensor) -> Tensor:
        """Take away from rows (B, N) what lies in the frozen subspace: x - x H^T H, without bursts."""
        frozen_RN = self.lateral[: int(self.num_frozen)]
        with torch.autocast(x_BN.device.type, enabled=False):
            return x_BN - ((x_BN.to(frozen_RN.dtype) @ frozen_RN.T) @ frozen_RN).to(x_BN.dtype)

    def extra_repr(self) -> str:
        """Show sizes and how it learns."""
        bursts = "" if self.levels is None else f", levels={self.levels}"
        return f"{self.num_inputs}, rows={int(self.num_rows)} of {self.capacity}, lr={self.lr:g}{bursts}"

    def _burst(self, y_BR: Tensor) -> Tensor:
        if self.levels is None:
            return y_BR
        unit = self.largest / self.levels
        return (y_BR.clamp(-self.largest, self.largest) / unit).round() * unit


def guard(
    layer: nn.Linear | nn.Conv2d, capacity: int, *, lr: float = 0.01, levels: int | None = None
) -> nn.Linear | nn.Conv2d:
    """Give a layer a subspace of its inputs (of its unfolded patches, for a convolution) as ``layer.subspace``.

    The layer computes what it did; the rule ``HLOP`` learns the subspace and keeps it from being written over.

    Args: capacity, lr, levels: as of ``Subspace``.
    Returns: the layer itself.
    Raises: ConfigError for a layer whose weights are not applied as they are, or to groups of channels.
    """
    if not isinstance(layer, nn.Linear | nn.Conv2d) or isinstance(layer, WSConv2d):
        expected = "a linear layer or a two-dimensional convolution that applies its weights as they are"
        raise ConfigError("guard", expected=expected, got=type(layer).__name__)
    if isinstance(layer, nn.Conv2d) and layer.groups > 1:
        raise ConfigError("guard", expected="a convolution of one group", got=f"{layer.groups} groups")
    layer.subspace = Subspace(math.prod(layer.weight.shape[1:]), capacity, lr=lr, levels=levels)
    return layer


def guarded(net: nn.Module) -> dict[str, nn.Linear | nn.Conv2d]:
    """List the layers of a network that have a subspace, by path."""
    return {
        path: module
        for path, module in net.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and isinstance(getattr(module, "subspace", None), Subspace)
    }


def subspace_of(layer: nn.Module) -> Subspace:
    """Return the subspace of a guarded layer."""
    found = layer.subspace
    assert isinstance(found, Subspace)
    return found


def presynaptic(layer: nn.Linear | nn.Conv2d, x_B: Tensor) -> Tensor:
    """Return what the weights of each output see of an input, one a row: (B, N), or (B H W, N) for patches."""
    x_B = x_B.dense() if isinstance(x_B, PackedSpikes) else x_B
    if isinstance(layer, nn.Linear):
        return x_B.flatten(0, -2)
    edges = layer._reversed_padding_repeated_twice
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    patches_BNL = unfold(pad(x_B, edges, mode=mode), layer.kernel_size, dilation=layer.dilation, stride=layer.stride)
    return patches_BNL.transpose(1, 2).flatten(0, 1)
