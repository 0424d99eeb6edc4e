"""Steps one by one are the run. Axes: T time, B batch."""

import pytest
import torch

from ranvier.core.errors import UnknownNameError
from ranvier.kernels import plan, run
from ranvier.kernels.steps import Steps
from ranvier.neurons import LIF, PLIF


@pytest.mark.parametrize("executor", ["auto", "reference"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_step_by_step_is_the_run_bit_for_bit_with_its_gradients(executor, dtype):
    made = plan(PLIF(w=torch.tensor(0.3), decay_input=False), dt=1.0)
    found = []
    for stepwise in (False, True):
        w = torch.tensor(0.3, requires_grad=True)
        x = torch.randn(7, 3, 5, generator=torch.Generator().manual_seed(2), dtype=dtype).requires_grad_()
        state = PLIF.State(torch.full((3, 5), 0.2, dtype=dtype))
        if stepwise:
            steps, spikes = Steps(made, x[0], params={"w": w}, executor=executor), []
            for current in x:
                outputs, state = steps(current, state)
                spikes.append(outputs["spikes"])
            y = torch.stack(spikes)
        else:
            outputs, state = run(made, x, state, params={"w": w}, executor=executor)
            y = outputs["spikes"]
        (y * torch.arange(7.0, dtype=dtype)[:, None, None]).sum().backward()
        found.append((y.detach(), state.v.detach(), x.grad, w.grad))
    assert 0 < found[0][0].mean() < 1
    for whole, pieces in zip(*found, strict=True):
        torch.testing.assert_close(pieces, whole, rtol=1e-5, atol=1e-6)
    assert torch.equal(found[0][0], found[1][0])


def test_currents_need_not_be_contiguous():
    made = plan(LIF(), dt=1.0)
    x = 3 * torch.randn(5, 3, generator=torch.Generator().manual_seed(2)).t()
    outputs, _ = Steps(made, x, params={})(x, LIF.State(torch.zeros(3, 5)))
    assert torch.equal(outputs["spikes"], run(made, x.contiguous()[None]).outputs["spikes"][0])


def test_strange_parameters_are_refused():
    with pytest.raises(UnknownNameError, match="tau_x"):
        Steps(plan(LIF(), dt=1.0), torch.zeros(2, 3), params={"tau_x": torch.ones(())})
