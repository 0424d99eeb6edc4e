"""What goes into the weights: the proof that a network is spike-driven, and the energy that the paper reports.

Letters: T time, B batch.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ranvier.measure import HOROWITZ_45NM, Constants, energy
from ranvier.measure.operations import operations
from ranvier.measure.passes import looking
from ranvier.nn import RepConv, simplify
from ranvier.nn.attention import AttentionProduct, TokenSum
from ranvier.systems.vision.meta_spikeformer.model import Separable

_WEIGHTED = (nn.Conv2d, nn.Linear)


@dataclass(frozen=True, slots=True, kw_only=True)
class Driven:
    """What a layer with weights saw: the share of non-zero inputs, and whether all were 0 or 1."""

    rate: float
    binary: bool


def driven(net: nn.Module, inputs_TB: Tensor) -> dict[str, Driven]:
    """Look at the inputs of every linear layer, in evaluation, by module path.

    A chain without a neuron inside (``RepConv``, ``Separable``) is one linear layer, whose input counts.
    """
    found: dict[str, Driven] = {}
    handles = []
    for path, module in _linear(net):

        def see(module: nn.Module, inputs: tuple[Any, ...], path: str = path) -> None:  # noqa: ARG001 - torch's signature
            x = inputs[0]
            found[path] = Driven(rate=float((x != 0).double().mean()), binary=bool((x == (x != 0)).all()))

        handles.append(module.register_forward_pre_hook(see))
    try:
        with looking(net):
            net(inputs_TB)
    finally:
        for handle in handles:
            handle.remove()
    return found


def binary_share(net: nn.Module, inputs_TB: Tensor) -> float:
    """Return the share of linear layers, but for the first, which sees the picture, that see zeros and ones only."""
    _, *others = driven(net, inputs_TB).values()
    return sum(seen.binary for seen in others) / len(others)


def inference_energy_nj(net: nn.Module, inputs_TB: Tensor, constants: Constants = HOROWITZ_45NM) -> float:
    """Compute the energy of a sample's synaptic operations, nJ, of the network as deployed: norms and chains folded.

    Counted, not estimated from rates; a pointwise convolution behind a depthwise one sees sums, so it multiplies.
    """
    return energy(operations(simplify(net), inputs_TB), constants).snn / 1000


def published_energy_nj(net: nn.Module, inputs_TB: Tensor, constants: Constants = HOROWITZ_45NM) -> float:
    """Compute the energy of a sample, nJ, by the paper's formula.

    E = E_mac FL_first + E_ac T sum_l R_l FL_l: FL multiply-adds of a layer in one step, borders included, R the share
    of non-zero inputs over all steps. A RepConv counts as the one convolution it folds into, both halves of a separable
    convolution at the rate of the first; products of attention as the additions that happen.
    """
    steps = inputs_TB.shape[0]
    rates, sizes = driven(net, inputs_TB), multiply_adds(net, inputs_TB)
    (first, *others) = sizes
    additions = math.fsum(rates[path].rate * sizes[path] for path in others) * steps
    products = operations(net, inputs_TB).layers
    kinds = dict(net.named_modules())
    additions += math.fsum(
        seen.acs + seen.macs for path, seen in products.items() if isinstance(kinds[path], AttentionProduct | TokenSum)
    )
    return (constants.mac_pj * sizes[first] + constants.ac_pj * additions) / 1000


def _linear(net: nn.Module, path: str = "") -> Iterator[tuple[str, nn.Module]]:
    """List the linear layers and chains, in the order of the network."""
    if isinstance(net, (*_WEIGHTED, RepConv, Separable)):
        yield path, net
        return
    for name, child in net.named_children():
        yield from _linear(child, f"{path}.{name}" if path else name)


def multiply_adds(net: nn.Module, inputs_TB: Tensor) -> dict[str, float]:
    """Count multiply-adds of each linear layer in one step of one sample, borders included; shapes suffice.

    As the paper's formula has them: a RepConv is the one convolution that it folds into, and products of attention,
    which depend on what fires, are left out.
    """
    found: dict[str, float] = {}
    handles = []
    for path, module in _linear(net):

        def see(module: nn.Module, inputs: tuple[Any, ...], output: Tensor, path: str = path) -> None:  # noqa: ARG001
            places = output.shape[2:].numel()
            if isinstance(module, RepConv):
                per_place = 9 * module.in_channels * module.out_channels
            else:
                per_place = sum(layer.weight.numel() for layer in module.modules() if isinstance(layer, _WEIGHTED))
            found[path] = float(places * per_place)

        handles.append(module.register_forward_hook(see))
    try:
        with looking(net), torch.no_grad():
            net(inputs_TB[:1, :1])
    finally:
        for handle in handles:
            handle.remove()
    return found
