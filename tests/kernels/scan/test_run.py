import re
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from ranvier.core.errors import ExecutorError
from ranvier.core.neuron import Neuron
from ranvier.core.reset import NoReset
from ranvier.core.surrogate import Soft
from ranvier.core.surrogates.atan import ATan
from ranvier.core.units import Ms
from ranvier.kernels import explain, plan, run
from ranvier.neurons import LIF, LeakyIntegrator, SynapticLIF


class Gated(Neuron):
    """A leak that the input opens: s' = sigmoid(x) s + x."""

    tau: Ms = 1.0

    class State(NamedTuple):
        v: Tensor

    def step(self, state, current, *, dt):
        v = torch.sigmoid(current) * state.v + current * self.tau
        return self.State(v), self.spike(v - 1.0)


class Rotating(Neuron):
    """Two variables that turn into each other; the spike is read from the second."""

    angle: Ms = 0.3

    class State(NamedTuple):
        u: Tensor
        v: Tensor

    def step(self, state, current, *, dt):
        u = 0.9 * state.u - self.angle * state.v + current
        return self.State(u, self.angle * state.u + 0.9 * state.v), self.spike(u - 0.7)


NEURONS = [
    LIF(tau_m=5.0, v_th=0.3, reset=NoReset()), SynapticLIF(tau_m=5.0, v_th=0.3, v_rest=-0.2, reset=NoReset()),
    LeakyIntegrator(tau_m=7.0), Gated(), Rotating(),
]  # fmt: skip


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("neuron", NEURONS, ids=lambda n: type(n).__name__)
@pytest.mark.parametrize("shape", [(60, 3, 4), (1, 1), (7, 2, 3, 5), (0, 3), (5, 0)])
def test_a_scan_gives_what_the_loop_gives(neuron, shape):
    planned = plan(neuron, outputs=("spikes", *neuron.State._fields))
    start = neuron.State(*(draw(*shape[1:], seed=k) for k in range(len(neuron.State._fields))))
    law, ours = (run(planned, draw(*shape), start, executor=e) for e in ("reference", "scan"))
    for name, value in law.outputs.items():
        torch.testing.assert_close(ours.outputs[name], value, rtol=1e-9, atol=1e-9)
    for a, b in zip(ours.state, law.state, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    if shape[0] == 60:
        assert 0.01 < (law.outputs["spikes"] > 0).double().mean() < 0.99


@pytest.mark.parametrize("neuron", NEURONS, ids=lambda n: type(n).__name__)
def test_gradients_equal_those_of_the_reference(neuron):
    seen = []
    for executor in ("reference", "scan"):
        x, start = (
            draw(20, 3, 4).requires_grad_(),
            [draw(3, 4, seed=k).requires_grad_() for k, _ in enumerate(neuron.State._fields)],
        )
        result = run(
            plan(neuron, outputs=("spikes", neuron.State._fields[0])), x, neuron.State(*start), executor=executor
        )
        loss = sum((v * draw(*v.shape, seed=8)).sum() for v in (*result.outputs.values(), *result.state))
        seen.append(torch.autograd.grad(loss, [x, *start]))
    for law, ours in zip(*seen, strict=True):
        assert law.abs().max() > 0
        torch.testing.assert_close(ours, law, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("tau", [4.0, [2.0, 3.0, 4.0, 5.0], [[2.0], [3.0], [4.0]]], ids=str)
def test_parameters_learn_through_it(tau):
    tau = torch.tensor(tau, dtype=torch.float64)
    planned = plan(LIF(tau_m=tau, v_th=0.3, reset=NoReset(), surrogate=Soft(of=ATan())))
    x = draw(9, 3, 4).requires_grad_()

    def function(x, tau):
        return run(planned, x, params={"tau_m": tau}, executor="scan").outputs["spikes"]

    assert torch.autograd.gradcheck(function, (x, tau.clone().requires_grad_()))


def test_chunks_are_the_whole_to_rounding():
    planned, x = plan(LIF(tau_m=5.0, reset=NoReset()), outputs=("spikes", "v")), draw(30, 4)
    whole = run(planned, x, executor="scan")
    first = run(planned, x[:11], executor="scan")
    second = run(planned, x[11:], first.state, executor="scan")
    torch.testing.assert_close(
        torch.cat([first.outputs["v"], second.outputs["v"]]), whole.outputs["v"], rtol=1e-12, atol=1e-12
    )


def test_a_reset_is_refused_and_the_error_says_what_to_do():
    text = (
        "executor=\"scan\": expected a step that is affine in its state, got state.v depends on a state through 'spike'. "
        "A reset, or an adaptation by spikes, makes it so: use reset=NoReset()"
    )
    with pytest.raises(ExecutorError, match=re.escape(text)):
        run(plan(LIF()), torch.zeros(3, 2), executor="scan")


def test_it_says_that_it_was_asked_for_or_why_it_cannot():
    assert str(explain(plan(LIF(reset=NoReset())), torch.zeros(3, 2), executor="scan")).startswith(
        "scan: it was asked for"
    )
    assert "it cannot run: state.v depends" in explain(plan(LIF()), torch.zeros(3, 2), executor="scan").reason
    assert explain(plan(LIF(reset=NoReset())), torch.zeros(3, 2)).executor != "scan"
