"""Our neurons beside those of SpikingJelly 2.0."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from case import Case, Draw, Run, Traces
from spikingjelly.activation_based import neuron as sj
from spikingjelly.activation_based import surrogate
from torch import Tensor

from ranvier.neurons import EIF, IF, LIF, PLIF, QIF, IntegerLIF, LeakyIntegrator, ResonateAndFire, SynapticLIF


def traces(node: Any, dtype: torch.dtype) -> Run:
    node = node.to(dtype)

    def whole(x: Tensor) -> Traces:
        node.step_mode, node.store_v_seq = "m", True
        return node(x), node.v_seq

    def stepwise(x: Tensor) -> Traces:
        pairs = [(node(value), node.v.clone()) for value in x]
        return torch.stack([p[0] for p in pairs]), torch.stack([p[1] for p in pairs])

    return stepwise if isinstance(node, sj.CUBALIFNode | sj.RAFNode) else whole


def reset_cases(hard: bool) -> Iterator[Case]:
    words = "hard reset" if hard else "soft reset"

    def v_reset(draw: Draw) -> dict[str, Any]:
        return {"v_reset": draw(-0.5, 0.3) if hard else None}

    def if_(draw: Draw, dtype: torch.dtype) -> Any:
        options: Any = {"v_threshold": draw(0.5, 2)} | v_reset(draw)
        return IF.like_spikingjelly(**options), traces(sj.IFNode(**options), dtype)

    def plif(draw: Draw, dtype: torch.dtype) -> Any:
        tau = draw(1.2, 6)
        options: Any = {"v_threshold": draw(0.4, 0.9)} | v_reset(draw)
        node = sj.ParametricLIFNode(init_tau=tau, **options).to(dtype)
        with torch.no_grad():
            node.w.fill_(-np.log(tau - 1.0))  # to(dtype) keeps the rounding of float32
        return PLIF.like_spikingjelly(init_tau=tau, **options), traces(node, dtype)

    def cuba(draw: Draw, dtype: torch.dtype) -> Any:
        options: Any = {"c_decay": draw(0.2, 0.9), "v_decay": draw(0.2, 0.95), "v_threshold": draw(0.5, 2)}
        options |= v_reset(draw)
        return SynapticLIF.like_spikingjelly(**options), traces(sj.CUBALIFNode(**options), dtype)

    def lif(draw: Draw, dtype: torch.dtype, decayed: bool) -> Any:
        options: Any = {"tau": draw(1.2, 20), "v_threshold": draw(0.4, 0.9), "decay_input": decayed} | v_reset(draw)
        return LIF.like_spikingjelly(**options), traces(sj.LIFNode(**options), dtype)

    yield Case(neuron="IF", theirs="IFNode", variant=words, make=if_)
    yield Case(neuron="PLIF", theirs="ParametricLIFNode", variant=words, make=plif, high=2.5)
    yield Case(neuron="SynapticLIF", theirs="CUBALIFNode", variant=words, make=cuba, high=0.9, from_reset=hard)
    for decayed, what, high in ((True, "decayed input", 3.0), (False, "undecayed input", 1.0)):
        make = partial(lif, decayed=decayed)
        yield Case(neuron="LIF", theirs="LIFNode", variant=f"{words}, {what}", make=make, high=high)


def qif(draw: Draw, dtype: torch.dtype) -> Any:
    options: Any = {"tau": draw(1.5, 5), "v_c": draw(0.5, 0.9), "a0": draw(0.5, 1.5), "v_reset": draw(-0.3, -0.1)}
    return QIF.like_spikingjelly(**options), traces(sj.QIFNode(**options), dtype)


def eif(draw: Draw, dtype: torch.dtype) -> Any:
    options: Any = {
        "tau": draw(1.5, 5),
        "delta_T": draw(0.3, 1),
        "theta_rh": draw(0.6, 0.9),
        "v_reset": draw(-0.3, -0.1),
    }
    return EIF.like_spikingjelly(**options), traces(sj.EIFNode(**options), dtype)


def ilif(draw: Draw, dtype: torch.dtype) -> Any:
    options: Any = {"tau": draw(1.2, 4), "v_threshold": draw(0.5, 2)}
    node = sj.ILIFNode(**options, surrogate_function=surrogate.MultiLevelSpikeCount(4))
    return IntegerLIF.like_spikingjelly(max_spike_count=4, **options), traces(node, dtype)


def raf(draw: Draw, dtype: torch.dtype) -> Any:
    options: Any = {
        "b": -draw(0.05, 0.4),
        "omega": draw(0.2, 2),
        "v_threshold": draw(0.5, 1),
        "v_reset": draw(-0.3, 0.3),
    }
    return ResonateAndFire.like_spikingjelly(**options), traces(sj.RAFNode(**options, dt=1.0), dtype)


def non_spiking(draw: Draw, dtype: torch.dtype) -> Any:
    tau = draw(1.2, 20)
    node = sj.NonSpikingLIFNode(tau=tau)

    def run(x: Tensor) -> Traces:
        v, seen = torch.zeros_like(x[0]), []
        node.v = v
        for value in x:
            node.neuronal_charge(value)
            seen.append(node.v.clone())
        return torch.stack(seen), torch.stack(seen)

    return LeakyIntegrator.like_spikingjelly(tau=tau), run


def cases() -> Iterator[Case]:
    hard = "hard reset"
    yield from reset_cases(hard=True)
    yield from reset_cases(hard=False)
    yield Case(neuron="QIF", theirs="QIFNode", variant=hard, make=qif, from_reset=True)
    yield Case(neuron="EIF", theirs="EIFNode", variant=hard, make=eif, high=1.0, from_reset=True)
    yield Case(neuron="IntegerLIF", theirs="ILIFNode", variant="4 levels", make=ilif, low=-1.0, high=3.0)
    yield Case(neuron="ResonateAndFire", theirs="RAFNode", variant=hard, make=raf, from_reset=True)
    yield Case(
        neuron="LeakyIntegrator", theirs="NonSpikingLIFNode", variant="read-out", make=non_spiking, fires=False,
    )  # fmt: skip
