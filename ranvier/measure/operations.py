"""Synaptic operations: how many multiply-accumulates or additions a network does on given inputs, counted exactly.

A layer with weights W does, for an input x, one operation for each non-zero entry of x and each non-zero weight that
it meets: effective = sum of layer(1[x != 0]; 1[W != 0]). Padding does not count, nor do biases, pooling and norms.
With the fan-out f = transposed layer(1; 1[W != 0]) this is the inner product <1[x != 0], f>: one sum, no second pass.
The products of spiking attention, which hold no weights, and synapses with delays count themselves
(``nn.AttentionProduct.count``, ``nn.DelayedLinear.count``).

Source: NeuroBench, Yik et al. 2025, Nature Communications 16:1545, workload metrics.
Letters: T time, B batch.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.utils.hooks import RemovableHandle

from ranvier.measure.dense import UNWEIGHTED, of_row, rows_of
from ranvier.measure.parameters import WEIGHTED
from ranvier.measure.passes import check_sequence, looking
from ranvier.nn import DelayConv2d, DelayedLinear
from ranvier.nn.attention import AttentionProduct, TokenSum


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerOperations:
    """Operations of one layer per sample, over all time steps.

    Args: dense: nothing skipped. macs, acs: effective; a call counts as additions if every input is -1, 0 or 1.
        once: dense operations of a single pass, as an ANN of the same shape makes.
    """

    dense: float
    macs: float
    acs: float
    once: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """Operations of a network per sample, by module path.

    Args: uncounted: layers that hold weight matrices but are of no kind that can be counted.
    """

    layers: dict[str, LayerOperations]
    steps: int
    samples: int
    uncounted: tuple[str, ...] = ()

    @property
    def dense(self) -> float:
        """All operations if nothing is skipped."""
        return math.fsum(layer.dense for layer in self.layers.values())

    @property
    def macs(self) -> float:
        """Effective multiply-accumulates."""
        return math.fsum(layer.macs for layer in self.layers.values())

    @property
    def acs(self) -> float:
        """Effective additions."""
        return math.fsum(layer.acs for layer in self.layers.values())

    @property
    def once(self) -> float:
        """Dense operations of a single pass."""
        return math.fsum(layer.once for layer in self.layers.values())


@dataclass(slots=True)
class _Tally:
    rows: int = 0  # of input: a row is one sample at one time step (and one position, in a sequence)
    dense: int = 0
    macs: int = 0
    acs: int = 0
    fan_outs: dict[tuple[int, ...], tuple[Tensor, int]] = field(default_factory=dict)  # effective; dense


@contextmanager
def counting(net: nn.Module) -> Iterator[dict[str, Any]]:
    """Count the operations of every forward pass inside; yields the tallies by module path."""
    tallies: dict[str, _Tally] = {}
    handles: list[RemovableHandle] = []
    for path, module in net.named_modules():
        if isinstance(module, WEIGHTED):
            tally = tallies[path] = _Tally()
            handles.append(module.register_forward_pre_hook(_hook(tally)))
        elif isinstance(module, UNWEIGHTED):
            tally = tallies[path] = _Tally()
            handles.append(module.register_forward_pre_hook(_product_hook(tally)))
    try:
        yield tallies
    finally:
        for handle in handles:
            handle.remove()


def operations(net: nn.Module, inputs_TB: Tensor) -> Operations:
    """Count the operations of a network on a batch of sequences, in evaluation mode and without gradients.

    Args: inputs_TB: (T, B, ...).
    Returns: averages over the B samples. One sample is one whole sequence; divide by ``steps`` for one execution.
    Raises: ShapeError for an input without time steps or samples.
    """
    check_sequence("operations", inputs_TB)
    with looking(net), counting(net) as tallies:
        net(inputs_TB)
    return total(net, tallies, steps=inputs_TB.shape[0], samples=inputs_TB.shape[1])


def total(net: nn.Module, tallies: dict[str, Any], *, steps: int, samples: int) -> Operations:
    """Turn tallies into operations per sample."""
    layers = {
        path: LayerOperations(
            dense=tally.dense / samples,
            macs=tally.macs / samples,
            acs=tally.acs / samples,
            # A layer that sees several positions of one step (a sequence, patches) makes them all in one pass.
            once=tally.dense / min(tally.rows, steps * samples),
        )
        for path, tally in tallies.items()
        if tally.rows
    }
    uncounted = tuple(
        path
        for path, module in net.named_modules()
        if not isinstance(module, (*WEIGHTED, DelayedLinear, DelayConv2d))
        and any(p.dim() > 1 for p in module.parameters(recurse=False))
    )
    return Operations(layers=layers, steps=steps, samples=samples, uncounted=uncounted)


def _hook(tally: _Tally) -> Any:
    def before(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        x = inputs[0].detach()
        number, shape = rows_of(module, x.shape)
        rows = x.reshape(number, *shape)
        if shape not in tally.fan_outs:
            tally.fan_outs[shape] = _fan_out(module, shape), of_row(module, shape)
        fan_out, dense = tally.fan_outs[shape]
        # Counts of non-zeros at each place are small integers: exact in float64, whatever the batch.
        active = torch.count_nonzero(rows, dim=0).to(torch.float64)
        effective = int((active * fan_out).sum())
        tally.rows += rows.shape[0]
        tally.dense += rows.shape[0] * dense
        if bool(((rows == 0) | (rows.abs() == 1)).all()):
            tally.acs += effective
        else:
            tally.macs += effective

    return before


def _product_hook(tally: _Tally) -> Any:
    def before(module: AttentionProduct | TokenSum | DelayedLinear | DelayConv2d, inputs: tuple[Tensor, ...]) -> None:
        counted = module.count(*(x.detach() for x in inputs))
        tally.rows += inputs[0].shape[0] * inputs[0].shape[1]
        tally.dense += counted.dense
        if counted.additions:
            tally.acs += counted.effective
        else:
            tally.macs += counted.effective

    return before


def _fan_out(module: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """Count, for each input of one row, the weights that it meets: the gradient of the sum of the layer of ones."""
    weight = module.weight
    assert isinstance(weight, Tensor)
    mask = (weight != 0).detach().to(torch.float64)
    with torch.enable_grad():
        x = torch.ones(1, *shape, dtype=torch.float64, device=mask.device, requires_grad=True)
        y = linear(x, mask) if isinstance(module, nn.Linear) else _twin(module, mask)(x)
        (fan_out,) = torch.autograd.grad(y.sum(), x)
    return fan_out[0]


def _twin(module: Any, weight: Tensor) -> nn.Module:
    """Make the same convolution with other weights, no bias and no hooks."""
    shape = {name: getattr(module, name) for name in ("stride", "padding", "dilation", "groups", "padding_mode")}
    if module.transposed:
        shape["output_padding"] = module.output_padding
    kind: Any = next(kind for kind in WEIGHTED if isinstance(module, kind))
    twin = kind(
        module.in_channels, module.out_channels, module.kernel_size, bias=False, device=weight.device,
        dtype=torch.float64, **shape,
    )  # fmt: skip
    twin.weight = nn.Parameter(weight, requires_grad=False)
    return twin  # type: ignore[no-any-return]
