"""Compare our neurons with SpikingJelly, snnTorch and Norse: spike for spike and membrane for membrane.

Each row: 20 random parameter sets, 256 neurons, 1000 steps of random input. The comparison is made in float64, so that
the order of rounding is not the question, and repeated in float32, where a potential that is within rounding of the
threshold may fall on either side. Run by ``crosscheck/environments.sh run``; writes crosscheck/results.json. Names of
peers as arguments run theirs only.
"""

import logging
import sys
from dataclasses import replace
from importlib.metadata import version

import against_norse
import against_snntorch
import against_spikingjelly
import numpy as np
import table
import torch
from case import NEURONS, SETS, STEPS, Case, Draw, Traces
from torch import Tensor

from ranvier.core.neuron import Neuron
from ranvier.core.params import bind, parameters
from ranvier.core.reset import ToValue

PEERS = {
    "SpikingJelly": ("spikingjelly", against_spikingjelly.cases),
    "snnTorch": ("snntorch", against_snntorch.cases),
    "Norse": ("norse", against_norse.cases),
}


def stack(neurons: list[Neuron], dtype: torch.dtype) -> Neuron:
    """Make one description of NEURONS neurons of each of these."""
    named = [parameters(neuron) for neuron in neurons]
    values = {name: torch.tensor([float(n[name]) for n in named], dtype=dtype) for name in named[0]}
    bound: Neuron = bind(neurons[0], {name: value.repeat_interleave(NEURONS) for name, value in values.items()})
    return bound


def ours(neuron: Neuron, x: Tensor, *, from_reset: bool) -> Traces:
    start = neuron.rest()._asdict()
    if from_reset:
        assert isinstance(neuron.reset, ToValue)
        start["v"] = neuron.reset.v_reset
    state = neuron.State(**{name: torch.zeros_like(x[0]) + value for name, value in start.items()})
    outputs, membranes = [], []
    for value in x:
        state, output = neuron.step(state, value, dt=1.0)
        outputs.append(output)
        membranes.append(state.v)
    return torch.stack(outputs), torch.stack(membranes)


def drawing(random: np.random.Generator) -> Draw:
    return lambda low, high: float(random.uniform(low, high))


def both(case: Case, dtype: torch.dtype) -> tuple[Traces, Traces]:
    """Run all parameter sets, ours at once and theirs one after the other: (T, SETS * NEURONS) each."""
    neurons, theirs, inputs = [], [], []
    for number in range(SETS):
        random = np.random.default_rng([number, *map(ord, f"{case.neuron}, {case.theirs}, {case.variant}")])
        neuron, peer = case.make(drawing(random), dtype)
        inputs.append(torch.from_numpy(random.uniform(case.low, case.high, (STEPS, NEURONS))).to(dtype))
        neurons.append(neuron)
        theirs.append(peer(inputs[-1]))
    mine = ours(stack(neurons, dtype), torch.cat(inputs, 1), from_reset=case.from_reset)
    other = tuple(torch.cat([pair[n] for pair in theirs], 1) for n in (0, 1))
    assert mine[1].dtype == other[1].dtype == dtype, (case.variant, other[1].dtype)
    return mine, (other[0], other[1])


@torch.no_grad()
def compare(case: Case, *, peer: str) -> table.Row:
    (output, v), (their_output, their_v) = both(case, torch.float64)
    # A potential is the same up to rounding; a spike is the same or not.
    tolerance = 0.0 if case.fires else 1e-9
    excursion = (v.amax(0) - v.amin(0)).median()
    row = table.Row(
        neuron=case.neuron,
        peer=peer,
        version=version(PEERS[peer][0]),
        theirs=case.theirs,
        variant=case.variant,
        expected=case.expected if case.fires else "1e-9",
        compared="spikes" if case.fires else "membranes",
        parameter_sets=SETS,
        steps=STEPS,
        neurons=NEURONS,
        outputs_compared=output.numel(),
        outputs_not_zero=int((output != 0).sum()) if case.fires else None,
        mismatches=int((~((output - their_output).abs() <= tolerance)).sum()),  # a NaN is a mismatch
        float32_mismatches=None,
        fields=("v",),
        max_membrane_difference=table.digits(float((v - their_v).abs().max()), 2),
        membrane_low=table.digits(float(v.min()), 3),
        membrane_high=table.digits(float(v.max()), 3),
        median_excursion=table.digits(float(excursion), 3),
        note=case.note,
    )
    (output, _), (their_output, _) = both(case, torch.float32)
    wrong = ~((output - their_output).abs() <= (0.0 if case.fires else 1e-4))
    return replace(row, float32_mismatches=int(wrong.sum()))


def main() -> None:
    torch.set_num_threads(1)
    rows = []
    for peer in sys.argv[1:] or PEERS:
        for case in PEERS[peer][1]():
            rows.append(compare(case, peer=peer))
            table.show(rows[-1])
    table.write(rows, peers={row.peer for row in rows}, packages={"torch": torch.__version__, "numpy": np.__version__})


if __name__ == "__main__":
    logging.getLogger("torch").setLevel(
        logging.ERROR
    )  # SpikingJelly makes torch say at each case that Triton is absent
    main()
