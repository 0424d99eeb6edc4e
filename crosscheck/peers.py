"""Compare our neurons with SpikingJelly, snnTorch and Norse: spike for spike and membrane for membrane.

Each row: 20 random parameter sets, 256 neurons, 1000 steps of random input. The comparison is made in float64, so that
the order of rounding is not the question, and repeated in float32, where a potential that is within rounding of the
threshold may fall on either side. Run by ``crosscheck/environments.sh run``; writes crosscheck/results.json.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import norse.torch.functional.iaf as norse_iaf
import norse.torch.functional.leaky_integrator_box as norse_li_box
import norse.torch.functional.lif as norse_lif
import norse.torch.functional.lif_box as norse_lif_box
import norse.torch.functional.lsnn as norse_lsnn
import norse.torch.functional.reset as norse_reset
import numpy as np
import snntorch
import table
import torch
from spikingjelly.activation_based import neuron as sj
from spikingjelly.activation_based import surrogate as sj_surrogate
from torch import Tensor

from ranvier.core.neuron import Neuron
from ranvier.core.params import bind, parameters
from ranvier.neurons import (
    ALIF,
    EIF,
    IF,
    LIF,
    PLIF,
    QIF,
    IntegerLIF,
    LeakyIntegrator,
    ResonateAndFire,
    SynapticALIF,
    SynapticLIF,
)

STEPS, NEURONS, SETS = 1000, 256, 20
Traces = tuple[Tensor, Tensor]  # output and membrane, (T, N) each
Draw = Callable[..., float]


@dataclass(frozen=True)
class Case:
    """One comparison.

    ``make(draw, dtype)`` draws parameters and returns our neuron and a function from input to the peer's traces.
    ``low``, ``high``: the range of the uniform input. ``note``: what does not match, and why.
    ``from_reset``: whether we start at v_reset, as SpikingJelly does, and not at rest.
    """

    neuron: str
    peer: str
    variant: str
    make: Callable[[Draw, torch.dtype], tuple[Neuron, Callable[[Tensor], Traces]]]
    low: float = -0.5
    high: float = 1.5
    note: str = ""
    from_reset: bool = False


def stack(neurons: list[Neuron], dtype: torch.dtype) -> Neuron:
    """Make one description of NEURONS neurons of each of these."""
    named = [parameters(neuron) for neuron in neurons]
    values = {name: torch.tensor([float(n[name]) for n in named], dtype=dtype) for name in named[0]}
    return bind(neurons[0], {name: value.repeat_interleave(NEURONS) for name, value in values.items()})


def ours(neuron: Neuron, x: Tensor, *, from_reset: bool) -> Traces:
    start = neuron.rest()._asdict() | ({"v": neuron.reset.v_reset} if from_reset else {})
    state = neuron.State(**{name: torch.zeros_like(x[0]) + value for name, value in start.items()})
    outputs, membranes = [], []
    for value in x:
        state, output = neuron.step(state, value, dt=1.0)
        outputs.append(output)
        membranes.append(state.v)
    return torch.stack(outputs), torch.stack(membranes)


def spikingjelly(node: Any, dtype: torch.dtype) -> Callable[[Tensor], Traces]:
    node = node.to(dtype)

    def whole(x: Tensor) -> Traces:
        node.step_mode, node.store_v_seq = "m", True
        return node(x), node.v_seq

    def stepwise(x: Tensor) -> Traces:
        pairs = [(node(value), node.v.clone()) for value in x]
        return torch.stack([p[0] for p in pairs]), torch.stack([p[1] for p in pairs])

    return stepwise if isinstance(node, sj.CUBALIFNode | sj.RAFNode) else whole


def snntorch_cell(cell: Any, states: int) -> Callable[[Tensor], Traces]:
    def run(x: Tensor) -> Traces:
        held, outputs = tuple(torch.zeros_like(x[0]) for _ in range(states)), []
        for value in x:
            spikes, *held = cell(value, *held)
            outputs.append((spikes, held[-1]))
        return torch.stack([o[0] for o in outputs]), torch.stack([o[1] for o in outputs])

    return run


def norse(step: Callable[..., Any], state: Any, parameters: Any) -> Callable[[Tensor], Traces]:
    def run(x: Tensor) -> Traces:
        held = type(state)(*(torch.full_like(x[0], float(value)) for value in state))
        outputs = []
        for value in x:
            output, held = step(value, held, parameters, dt=0.001)
            outputs.append((output, held.v))
        return torch.stack([o[0] for o in outputs]), torch.stack([o[1] for o in outputs])

    return run


def spikingjelly_cases() -> Iterator[Case]:
    peer = "SpikingJelly"
    for hard in (True, False):
        words = "hard reset" if hard else "soft reset"

        def if_(draw: Draw, dtype: torch.dtype, hard: bool = hard) -> Any:
            options = {"v_threshold": draw(0.5, 2), "v_reset": draw(-0.5, 0.3) if hard else None}
            return IF.like_spikingjelly(**options), spikingjelly(sj.IFNode(**options), dtype)

        def plif(draw: Draw, dtype: torch.dtype, hard: bool = hard) -> Any:
            tau = draw(1.2, 6)
            options = {"v_threshold": draw(0.4, 0.9), "v_reset": draw(-0.5, 0.3) if hard else None}
            node = sj.ParametricLIFNode(init_tau=tau, **options).to(dtype)
            with torch.no_grad():
                node.w.fill_(-np.log(tau - 1.0))  # to(dtype) keeps the rounding of float32
            return PLIF.like_spikingjelly(init_tau=tau, **options), spikingjelly(node, dtype)

        def cuba(draw: Draw, dtype: torch.dtype, hard: bool = hard) -> Any:
            options = {"c_decay": draw(0.2, 0.9), "v_decay": draw(0.2, 0.95), "v_threshold": draw(0.5, 2)}
            options["v_reset"] = draw(-0.5, 0.3) if hard else None
            return SynapticLIF.like_spikingjelly(**options), spikingjelly(sj.CUBALIFNode(**options), dtype)

        yield Case("IF", peer, f"IFNode, {words}", if_)
        yield Case("PLIF", peer, f"ParametricLIFNode, {words}", plif, high=2.5)
        yield Case("SynapticLIF", peer, f"CUBALIFNode, {words}", cuba, high=0.9, from_reset=hard)
        for decayed in (True, False):

            def lif(draw: Draw, dtype: torch.dtype, hard: bool = hard, decayed: bool = decayed) -> Any:
                options = {"tau": draw(1.2, 20), "v_threshold": draw(0.4, 0.9), "decay_input": decayed}
                options["v_reset"] = draw(-0.5, 0.3) if hard else None
                return LIF.like_spikingjelly(**options), spikingjelly(sj.LIFNode(**options), dtype)

            what = "decayed input" if decayed else "undecayed input"
            yield Case("LIF", peer, f"LIFNode, {words}, {what}", lif, high=3.0 if decayed else 1.0)


def other_spikingjelly_cases() -> Iterator[Case]:
    peer = "SpikingJelly"

    def qif(draw: Draw, dtype: torch.dtype) -> Any:
        options = {"tau": draw(1.5, 5), "v_c": draw(0.5, 0.9), "a0": draw(0.5, 1.5), "v_reset": draw(-0.3, -0.1)}
        return QIF.like_spikingjelly(**options), spikingjelly(sj.QIFNode(**options), dtype)

    def eif(draw: Draw, dtype: torch.dtype) -> Any:
        options = {
            "tau": draw(1.5, 5),
            "delta_T": draw(0.3, 1),
            "theta_rh": draw(0.6, 0.9),
            "v_reset": draw(-0.3, -0.1),
        }
        return EIF.like_spikingjelly(**options), spikingjelly(sj.EIFNode(**options), dtype)

    def ilif(draw: Draw, dtype: torch.dtype) -> Any:
        options = {"tau": draw(1.2, 4), "v_threshold": draw(0.5, 2)}
        node = sj.ILIFNode(**options, surrogate_function=sj_surrogate.MultiLevelSpikeCount(4))
        return IntegerLIF.like_spikingjelly(max_spike_count=4, **options), spikingjelly(node, dtype)

    def raf(draw: Draw, dtype: torch.dtype) -> Any:
        options = {
            "b": -draw(0.05, 0.4),
            "omega": draw(0.2, 2),
            "v_threshold": draw(0.5, 1),
            "v_reset": draw(-0.3, 0.3),
        }
        return ResonateAndFire.like_spikingjelly(**options), spikingjelly(sj.RAFNode(**options, dt=1.0), dtype)

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

    yield Case("QIF", peer, "QIFNode, hard reset", qif, high=1.5, from_reset=True)
    yield Case("EIF", peer, "EIFNode, hard reset", eif, high=1.0, from_reset=True)
    yield Case("IntegerLIF", peer, "ILIFNode, 4 levels", ilif, low=-1.0, high=3.0)
    yield Case("ResonateAndFire", peer, "RAFNode, hard reset", raf, from_reset=True)
    yield Case("LeakyIntegrator", peer, "NonSpikingLIFNode", non_spiking)


def snntorch_cases() -> Iterator[Case]:
    peer = "snnTorch"

    def tensors(options: dict[str, Any], dtype: torch.dtype) -> dict[str, Any]:
        # snnTorch's spikes are float32 always; times a threshold that is one number they would stay so.
        options = options | {"threshold": np.full(NEURONS, options["threshold"])}
        return {k: torch.tensor(v, dtype=dtype) if isinstance(v, float | np.ndarray) else v for k, v in options.items()}

    for mechanism in ("subtract", "zero", "none"):

        def if_(draw: Draw, dtype: torch.dtype, mechanism: Any = mechanism) -> Any:
            options = {"threshold": draw(0.5, 2), "reset_mechanism": mechanism}
            cell = snntorch.Leaky(beta=torch.tensor(1.0, dtype=dtype), **tensors(options, dtype), reset_delay=False)
            return IF.like_snntorch(**options), snntorch_cell(cell, 1)

        yield Case("IF", peer, f"Leaky, beta=1, {mechanism}", if_, low=-1.0 if mechanism == "none" else -0.5, high=0.9)
        for delay in (True, False):

            def lif(draw: Draw, dtype: torch.dtype, mechanism: Any = mechanism, delay: bool = delay) -> Any:
                options = {"beta": draw(0.1, 0.98), "threshold": draw(0.5, 1), "reset_mechanism": mechanism}
                options["reset_delay"] = delay
                return LIF.like_snntorch(**options), snntorch_cell(snntorch.Leaky(**tensors(options, dtype)), 1)

            def synaptic(draw: Draw, dtype: torch.dtype, mechanism: Any = mechanism, delay: bool = delay) -> Any:
                options = {
                    "alpha": draw(0.1, 0.5 if mechanism == "subtract" and not delay else 0.9),
                    "beta": draw(0.1, 0.95),
                    "threshold": draw(0.5, 1),
                }
                options |= {"reset_mechanism": mechanism, "reset_delay": delay}
                cell = snntorch.Synaptic(**tensors(options, dtype))
                return SynapticLIF.like_snntorch(**options), snntorch_cell(cell, 2)

            words = f"{mechanism}, reset_delay={delay}"
            # With the reset by subtraction at once, the potential must not exceed twice the threshold: see the note.
            plain = mechanism == "subtract" and not delay
            yield Case("LIF", peer, f"Leaky, {words}", lif, low=0.0 if plain else -0.3, high=0.5 if plain else 1.0)
            yield Case(
                "SynapticLIF",
                peer,
                f"Synaptic, {words}",
                synaptic,
                low=0.0 if plain else -0.3,
                high=0.25 if plain else 0.6,
            )
            if plain:
                note = (
                    "Not matched by design: where v is above twice the threshold, snnTorch without reset_delay judges "
                    "the next spike by a potential that lacks the threshold once more than its state says."
                )
                yield Case("LIF", peer, f"Leaky, {words}, v > 2 threshold", lif, low=-0.3, high=3.0, note=note)


def norse_cases() -> Iterator[Case]:
    peer = "Norse"

    def tensors(kind: Any, dtype: torch.dtype, options: dict[str, float], **rest: Any) -> Any:
        return kind(**{k: torch.tensor(v, dtype=dtype) for k, v in options.items()}, **rest)

    def iaf(draw: Draw, dtype: torch.dtype) -> Any:
        options = {"v_th": draw(0.5, 2), "v_reset": draw(-0.5, 0.3)}
        parameters = tensors(norse_iaf.IAFParameters, dtype, options)
        start = norse_iaf.IAFFeedForwardState(v=options["v_reset"])
        return IF.like_norse(**options), norse(norse_iaf.iaf_feed_forward_step, start, parameters)

    def box(draw: Draw, dtype: torch.dtype, method: Any) -> Any:
        options = {"tau_mem_inv": draw(50, 500), "v_leak": draw(-0.2, 0.2), "v_th": draw(0.4, 0.9)}
        if method == "value":
            options["v_reset"] = draw(-0.3, 0.3)
        reset = norse_reset.reset_value if method == "value" else norse_reset.reset_subtract
        parameters = tensors(norse_lif_box.LIFBoxParameters, dtype, options, reset_method=reset)
        start = norse_lif_box.LIFBoxFeedForwardState(v=options["v_leak"])
        step = norse_lif_box.lif_box_feed_forward_step
        return LIF.like_norse(**options, reset_method=method), norse(step, start, parameters)

    def lif(draw: Draw, dtype: torch.dtype) -> Any:
        options = {"tau_syn_inv": draw(50, 800), "tau_mem_inv": draw(50, 500), "v_leak": draw(-0.2, 0.2)}
        options |= {"v_th": draw(0.4, 0.9), "v_reset": draw(-0.3, 0.3)}
        start = norse_lif.LIFFeedForwardState(v=options["v_leak"], i=0.0)
        parameters = tensors(norse_lif.LIFParameters, dtype, options)
        return SynapticLIF.like_norse(**options), norse(norse_lif.lif_feed_forward_step, start, parameters)

    def lsnn_options(draw: Draw) -> dict[str, float]:
        options = {"tau_mem_inv": draw(50, 500), "tau_adapt_inv": draw(2, 50), "v_leak": draw(-0.2, 0.2)}
        return options | {"v_th": draw(0.4, 0.9), "v_reset": draw(-0.3, 0.3), "beta": draw(0.05, 0.5)}

    def lsnn(draw: Draw, dtype: torch.dtype) -> Any:
        options = lsnn_options(draw) | {"tau_syn_inv": draw(50, 800)}
        start = norse_lsnn.LSNNFeedForwardState(v=options["v_leak"], i=0.0, b=options["v_th"])
        parameters = tensors(norse_lsnn.LSNNParameters, dtype, options)
        return SynapticALIF.like_norse(**options), norse(norse_lsnn.lsnn_feed_forward_step, start, parameters)

    def alif(draw: Draw, dtype: torch.dtype) -> Any:
        # A synapse with tau_syn = dt keeps nothing: Norse's LSNN becomes the plain ALIF, its input one step late.
        options = lsnn_options(draw)
        start = norse_lsnn.LSNNFeedForwardState(v=options["v_leak"], i=0.0, b=options["v_th"])
        parameters = tensors(norse_lsnn.LSNNParameters, dtype, options | {"tau_syn_inv": 1000.0})
        late = norse(norse_lsnn.lsnn_feed_forward_step, start, parameters)

        def run(x: Tensor) -> Traces:
            output, v = late(torch.cat([x, torch.zeros_like(x[:1])]))
            return output[1:], v[1:]

        same = SynapticALIF.like_norse(**options)
        p = 1.0 - 1.0 / same.tau_a
        neuron = ALIF(
            tau_m=same.tau_m, tau_a=same.tau_a, beta=same.beta * p, v_th=same.v_th, v_rest=same.v_rest,
            discretisation="euler", reset=same.reset, strict=True,
        )  # fmt: skip
        return neuron, run

    def li(draw: Draw, dtype: torch.dtype) -> Any:
        options = {"tau_mem_inv": draw(50, 500), "v_leak": draw(-0.2, 0.2)}
        parameters = tensors(norse_li_box.LIBoxParameters, dtype, options)
        start = norse_li_box.LIBoxState(v=options["v_leak"])
        return LeakyIntegrator.like_norse(**options), norse(norse_li_box.li_box_feed_forward_step, start, parameters)

    yield Case("IF", peer, "IAF", iaf)
    yield Case("LIF", peer, "LIFBox, reset_value", lambda d, t: box(d, t, "value"), high=2.5)
    yield Case("LIF", peer, "LIFBox, reset_subtract", lambda d, t: box(d, t, "subtract"), high=2.5)
    yield Case("SynapticLIF", peer, "LIF", lif, high=1.0)
    yield Case("SynapticALIF", peer, "LSNN", lsnn, high=1.5)
    yield Case("ALIF", peer, "LSNN, tau_syn = dt, one step late", alif, high=3.0)
    yield Case("LeakyIntegrator", peer, "LIBox", li)


def compare(case: Case) -> dict[str, Any]:
    row: dict[str, Any] = {"neuron": case.neuron, "peer": case.peer, "version": VERSIONS[case.peer]}
    row |= {"variant": case.variant, "parameter_sets": SETS, "steps": STEPS, "neurons": NEURONS}
    row |= {"outputs_compared": SETS * STEPS * NEURONS, "outputs_not_zero": 0, "mismatches": 0, "float32_mismatches": 0}
    row["max_membrane_difference"] = 0.0
    for dtype in (torch.float64, torch.float32):
        neurons, theirs, inputs = [], [], []
        for number in range(SETS):
            random = np.random.default_rng([number, *map(ord, case.variant)])
            neuron, peer = case.make(lambda low, high, r=random: float(r.uniform(low, high)), dtype)
            inputs.append(torch.from_numpy(random.uniform(case.low, case.high, (STEPS, NEURONS))).to(dtype))
            neurons.append(neuron)
            with torch.no_grad():
                theirs.append(peer(inputs[-1]))
        with torch.no_grad():
            output, v = ours(stack(neurons, dtype), torch.cat(inputs, 1), from_reset=case.from_reset)
        their_output, their_v = (torch.cat([pair[n] for pair in theirs], 1) for n in (0, 1))
        assert v.dtype == their_v.dtype == dtype, (case.variant, their_v.dtype)
        # A potential is the same up to rounding; a spike is the same or not.
        tolerance = (1e-9 if dtype == torch.float64 else 1e-4) if case.neuron == "LeakyIntegrator" else 0.0
        wrong = int(((output - their_output).abs() > tolerance).sum())
        if dtype == torch.float32:
            row["float32_mismatches"] = wrong
        else:
            row |= {"mismatches": wrong, "outputs_not_zero": int((output != 0).sum())}
            row["max_membrane_difference"] = float((v - their_v).abs().max())
    return row | ({"note": case.note} if case.note else {})


VERSIONS = {"SpikingJelly": version("spikingjelly"), "snnTorch": version("snntorch"), "Norse": version("norse")}


def main() -> None:
    torch.set_num_threads(1)
    wanted = sys.argv[1:]
    cases = [*spikingjelly_cases(), *other_spikingjelly_cases(), *snntorch_cases(), *norse_cases()]
    packages = {"torch": torch.__version__, "numpy": np.__version__}
    rows = []
    for case in cases:
        if not wanted or case.peer in wanted:
            rows.append(compare(case))
            table.show(rows[-1:])
    table.write(rows, peers=set(wanted) or set(VERSIONS), packages=packages)


if __name__ == "__main__":
    main()
