"""Our neurons beside those of snnTorch 1.0.

Where snnTorch resets at the next step (reset_delay=True, its default), it shows the potential that crossed the
threshold. Without a leak (IF) ours resets at once, with the same spikes: there snnTorch's membrane is shown reset.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import snntorch
import torch
from case import NEURONS, Case, Draw, Run, Traces
from torch import Tensor

from ranvier.core.reset import NoReset, Subtract
from ranvier.neurons import IF, LIF, LeakyIntegrator, SynapticLIF

BELOW_TWICE = (
    "The input keeps v at or below twice the threshold. Above, without reset_delay, snnTorch's reset by subtraction is "
    "another one: see the row that differs by design."
)
BY_DESIGN = (
    "Where v exceeds twice the threshold, snnTorch without reset_delay judges the next spike by a potential that lacks "
    "the threshold once more than its state says; not modelled."
)


def traces(cell: Any, states: int, shown: Callable[[Tensor, Tensor], Tensor] = lambda v, spikes: v) -> Run:
    def run(x: Tensor) -> Traces:
        held: Any = tuple(torch.zeros_like(x[0]) for _ in range(states))
        outputs = []
        for value in x:
            spikes, *held = cell(value, *held)
            outputs.append((spikes, shown(held[-1], spikes.to(x.dtype))))
        return torch.stack([o[0] for o in outputs]), torch.stack([o[1] for o in outputs])

    return run


def tensors(options: dict[str, Any], dtype: torch.dtype) -> dict[str, Any]:
    # snnTorch's spikes are float32 always; times a threshold that is one number they would stay so.
    options = options | {"threshold": np.full(NEURONS, options["threshold"])}
    return {k: torch.tensor(v, dtype=dtype) if isinstance(v, float | np.ndarray) else v for k, v in options.items()}


def if_(draw: Draw, dtype: torch.dtype, mechanism: Any, delay: bool) -> Any:
    options: Any = {"threshold": draw(0.5, 2), "reset_mechanism": mechanism}
    cell = snntorch.Leaky(beta=torch.tensor(1.0, dtype=dtype), **tensors(options, dtype), reset_delay=delay)
    after = {
        "subtract": lambda v, spikes: v - spikes * options["threshold"],
        "zero": lambda v, spikes: v * (1 - spikes),
        "none": lambda v, spikes: v,
    }[mechanism]
    return IF.like_snntorch(**options), traces(cell, 1, after) if delay else traces(cell, 1)


def lif(draw: Draw, dtype: torch.dtype, mechanism: Any, delay: bool) -> Any:
    options: Any = {"beta": draw(0.1, 0.98), "threshold": draw(0.5, 1), "reset_mechanism": mechanism}
    options["reset_delay"] = delay
    return LIF.like_snntorch(**options), traces(snntorch.Leaky(**tensors(options, dtype)), 1)


def synaptic(draw: Draw, dtype: torch.dtype, mechanism: Any, delay: bool) -> Any:
    alpha = draw(0.1, 0.5 if mechanism == "subtract" and not delay else 0.9)
    options: Any = {"alpha": alpha, "beta": draw(0.1, 0.95), "threshold": draw(0.5, 1)}
    options |= {"reset_mechanism": mechanism, "reset_delay": delay}
    return SynapticLIF.like_snntorch(**options), traces(snntorch.Synaptic(**tensors(options, dtype)), 2)


def lapicque(draw: Draw, dtype: torch.dtype, mechanism: Any) -> Any:
    tau, v_th = draw(1.2, 20), draw(0.4, 0.9)
    options: Any = {"threshold": v_th, "reset_mechanism": mechanism, "R": 1.0, "C": tau}
    cell = snntorch.Lapicque(**tensors(options, dtype))
    neuron = LIF(
        tau_m=tau, v_th=v_th, discretisation="euler", strict=True, reset_at="after_leak",
        reset=Subtract() if mechanism == "subtract" else NoReset(),
    )  # fmt: skip
    return neuron, traces(cell, 1)


def read_out(draw: Draw, dtype: torch.dtype) -> Any:
    tau = draw(1.2, 20)
    cell = snntorch.Leaky(
        beta=torch.tensor(float(np.exp(-1.0 / tau)), dtype=dtype), threshold=torch.ones(NEURONS, dtype=dtype),
        reset_mechanism="none",
    )  # fmt: skip

    def run(x: Tensor) -> Traces:
        _, v = traces(cell, 1)(x)
        return v, v

    return LeakyIntegrator(tau_m=tau, decay_input=False), run


def cases() -> Iterator[Case]:
    for mechanism in ("subtract", "zero", "none"):
        for delay in (True, False):
            what: Any = {"theirs": "Leaky", "variant": f"{mechanism}, reset_delay={delay}"}
            # With the reset by subtraction at once, the potential must not exceed twice the threshold: see the notes.
            plain = mechanism == "subtract" and not delay
            note = BELOW_TWICE if plain else ""
            low = 0.0 if plain else -0.3

            def bound(make: Any, mechanism: str = mechanism, delay: bool = delay) -> Any:
                return lambda draw, dtype: make(draw, dtype, mechanism, delay)

            yield Case(
                neuron="IF", theirs="Leaky", variant=f"beta=1, {what['variant']}", make=bound(if_), note=note,
                low=-0.2 if plain else -1.0 if mechanism == "none" else -0.5, high=0.5 if plain else 0.9,
            )  # fmt: skip
            yield Case(neuron="LIF", **what, make=bound(lif), note=note, low=low, high=0.5 if plain else 1.0)
            yield Case(
                neuron="SynapticLIF", theirs="Synaptic", variant=what["variant"], make=bound(synaptic), note=note,
                low=low, high=0.25 if plain else 0.6,
            )  # fmt: skip
            if plain:
                yield Case(
                    neuron="LIF", theirs="Leaky", variant=f"{what['variant']}, v > 2 threshold", make=bound(lif),
                    low=-0.3, high=3.0, note=BY_DESIGN, expected="differs by design",
                )  # fmt: skip
    for mechanism in ("subtract", "none"):
        make = partial(lapicque, mechanism=mechanism)
        yield Case(neuron="LIF", theirs="Lapicque", variant=mechanism, make=make, high=2.5)
    yield Case(neuron="LeakyIntegrator", theirs="Leaky", variant="none, its mem", make=read_out, fires=False)
