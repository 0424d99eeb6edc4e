"""Print fused_programs.hpp: the steps of the commonest neurons, to be compiled as one loop each.

Run: python csrc/fuse.py > csrc/fused_programs.hpp (needs the package with its extension; build anew afterwards).

The steps are traced from the neurons themselves. A program is known by its shape, so parameters may have any value; but
a value that folds a step, such as v_th = 1, makes another shape, so usual values are listed beside free ones.
"""

import itertools
from collections.abc import Iterator

import torch

from ranvier.core.neuron import Neuron
from ranvier.core.reset import Reset, Subtract, ToValue
from ranvier.core.surrogate import Surrogate
from ranvier.core.surrogates.atan import ATan
from ranvier.core.surrogates.fast_sigmoid import FastSigmoid
from ranvier.core.surrogates.triangle import Triangle
from ranvier.kernels.cpu import machine
from ranvier.kernels.plan import Plan, Programs
from ranvier.neurons.alif import ALIF
from ranvier.neurons.integrate_and_fire import IF
from ranvier.neurons.lif import LIF
from ranvier.neurons.plif import PLIF
from ranvier.neurons.synaptic_lif import SynapticLIF

V_TH = 0.7  # a threshold that folds nothing
SURROGATES = {"atan": ATan(), "fast_sigmoid": FastSigmoid(), "triangle": Triangle()}
RESETS = {"subtract": Subtract(), "value": ToValue(), "detached_value": ToValue(detach=True)}


def neurons() -> Iterator[tuple[str, Neuron]]:
    """List the neurons, each with a name for its programs."""
    for (s, surrogate), (r, reset), v_th in itertools.product(SURROGATES.items(), RESETS.items(), (1.0, V_TH)):
        tail = f"{r}_{s}" + ("" if v_th == 1.0 else "_v_th")
        yield from ((f"{name}_{tail}", neuron) for name, neuron in of(reset, surrogate, v_th))


def of(reset: Reset, surrogate: Surrogate, v_th: float) -> Iterator[tuple[str, Neuron]]:
    """List the neurons with a reset, surrogate and threshold."""
    common = {"reset": reset, "surrogate": surrogate, "v_th": v_th}
    yield "if", IF(**common)
    yield "lif", LIF(**common)
    yield "lif_half", LIF(tau_m=2.0, discretisation="euler", **common)  # leak and gain are one number
    yield "lif_jump", LIF(decay_input=False, **common)
    yield "plif", PLIF(w=torch.tensor(0.3), **common)
    yield "synaptic_lif", SynapticLIF(**common)
    yield "alif", ALIF(**common)


def entries() -> dict[str, str]:
    """Return the programs by shape; of two names for one shape the first stays."""
    found: dict[str, str] = {}
    for name, neuron in neurons():
        programs = Plan(neuron, 1.0, ("spikes",)).programs
        assert isinstance(programs, Programs)
        codes = machine._backward_codes(programs.forward, programs.backward)
        forward = machine._forward_code(programs.forward)
        for kind, code in (("forward", forward), ("replay", codes.replay), ("backward", codes.code)):
            found.setdefault(code.shape, f"{name}_{kind}")
    return found


HEAD = """\
// The steps that run as one fused loop. Printed by fuse.py; do not edit.
#pragma once

#include "fused.hpp"
#include "opcodes.hpp"

"""
TAIL = """\

namespace ranvier {
namespace {
#define RANVIER_LIST(...) {__VA_ARGS__}
#define RANVIER_DEFINE(name, kinds_, code_, results_)               \\
    struct fused_##name {                                           \\
        static constexpr char kinds[] = kinds_;                     \\
        static constexpr Fused code[] = RANVIER_LIST code_;         \\
        static constexpr int32_t results[] = RANVIER_LIST results_; \\
    };
RANVIER_FUSED(RANVIER_DEFINE)
#undef RANVIER_DEFINE
#undef RANVIER_LIST
}  // namespace
}  // namespace ranvier
"""

if __name__ == "__main__":
    lines = [f"    X({name}, {shape})" for shape, name in entries().items()]
    print(HEAD + " \\\n".join(["#define RANVIER_FUSED(X)", *lines]) + "\n" + TAIL, end="")  # noqa: T201 - it is a script
