import pytest
import torch

from ranvier.core.reset import NoReset
from ranvier.core.trace import trace_step
from ranvier.kernels.evaluate import evaluate
from ranvier.kernels.plan import Programs, plan
from ranvier.kernels.scan.affine import Affine, affine
from ranvier.kernels.scan.steps import grown, is_diagonal, registers
from ranvier.neurons import LIF, LeakyIntegrator, SynapticLIF

AFFINE = [LIF(reset=NoReset()), SynapticLIF(reset=NoReset(), v_rest=-0.5), LeakyIntegrator(v_rest=2.0)]


def test_a_map_has_a_vector_and_a_matrix():
    assert registers(2) == ("q_0", "q_1", "P_0_0", "P_0_1", "P_1_0", "P_1_1")
    assert [is_diagonal(name) for name in registers(2)] == [False, False, True, False, False, True]


@pytest.mark.parametrize("neuron", AFFINE, ids=lambda n: type(n).__name__)
def test_a_map_grown_by_steps_takes_a_state_where_the_steps_take_it(neuron):
    found = affine(trace_step(neuron, dt=0.5))
    assert isinstance(found, Affine)
    K = len(neuron.State._fields)
    step = grown(found, neuron.State._fields, "map.")
    currents = torch.linspace(-2, 3, 7, dtype=torch.float64)
    register = {name: torch.tensor(float(is_diagonal(name)), dtype=torch.float64) for name in registers(K)}
    start = torch.arange(1.0, K + 1, dtype=torch.float64)
    state = neuron.State(*start)
    for current in currents:
        values = evaluate(step, {**{f"map.{n}": v for n, v in register.items()}, "current": current})
        register = {n: values[f"map.{n}"] for n in register}
        state, _ = neuron.step(state, current, dt=0.5)
    matrix = torch.stack([torch.stack([register[f"P_{i}_{j}"] for j in range(K)]) for i in range(K)])
    ends = matrix @ start + torch.stack([register[f"q_{i}"] for i in range(K)])
    torch.testing.assert_close(ends, torch.stack(tuple(state)), rtol=1e-12, atol=1e-12)


def test_the_way_back_of_an_affine_step_is_affine_in_its_gradients():
    found = plan(SynapticLIF(reset=NoReset())).programs
    assert isinstance(found, Programs)
    back, forth = affine(found.backward, before="grad.state.", after="grad_state."), affine(found.forward)
    assert isinstance(back, Affine)
    assert isinstance(forth, Affine)
    zero = {name: torch.zeros((), dtype=torch.float64) for name in back.program.inputs}
    transposed = evaluate(back.program, zero)
    matrix = evaluate(forth.program, dict.fromkeys(forth.program.inputs, zero["current"]))
    entries = {name for name in matrix if name.startswith("A.")}
    assert len(entries) == 3
    for name in entries:
        _, row, column = name.split(".")
        assert transposed[f"A.{column}.{row}"] == matrix[name]
