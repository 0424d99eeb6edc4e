import re

import numpy as np
import pytest
import torch

import ranvier.nn as rn
from ranvier.core.errors import ShapeError, StateError
from ranvier.nn.steps import Steps


@pytest.fixture
def norm(seeded):
    norm = rn.TEBN(3, 5, eps=0.01).double()
    with torch.no_grad():
        for p in norm.parameters():
            p.normal_(generator=seeded)
    return norm


def test_the_formula_in_training(norm, seeded):
    x = torch.randn(4, 6, 3, 2, 2, generator=seeded, dtype=torch.float64) * 3 + 1
    n, axes = x.numpy(), (0, 1, 3, 4)
    bc = lambda v: v.reshape(3, 1, 1)  # noqa: E731
    weight, bias, p = (t.detach().numpy() for t in (norm.weight, norm.bias, norm.p))
    normal = (n - bc(n.mean(axes))) / np.sqrt(bc(n.var(axes)) + 0.01) * bc(weight) + bc(bias)
    np.testing.assert_allclose(norm(x).detach(), p[:4].reshape(4, 1, 1, 1, 1) * normal, atol=1e-12)


def test_each_element_of_a_batch_may_be_at_its_own_step(norm, seeded):
    norm.eval()
    x = torch.randn(1, 2, 3, generator=seeded, dtype=torch.float64)
    y, state = norm.run(x, Steps(torch.tensor([0, 3])))
    plain = torch.nn.functional.batch_norm(x[0], norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=0.01)
    torch.testing.assert_close(y[0], plain * norm.p[[0, 3]].unsqueeze(1))
    assert state.step.tolist() == [1, 4]


def test_a_weight_a_step_is_learned(norm, seeded):
    (norm(torch.randn(4, 6, 3, generator=seeded, dtype=torch.float64)) ** 2).sum().backward()
    assert (norm.p.grad != 0).tolist() == [True] * 4 + [False]


def test_more_steps_than_there_are_weights_for_are_refused(norm):
    with pytest.raises(
        ShapeError, match=re.escape("TEBN: expected at most 5 steps, got 6 steps. Build it with num_steps")
    ):
        norm(torch.zeros(6, 1, 3))
    norm.eval()
    _, state = rn.run(norm, torch.zeros(4, 1, 3, dtype=torch.float64))
    text = 'TEBN "": expected at most 5 steps, got 2 more steps from step 4. Build it with num_steps >= 6, or start'
    with pytest.raises(StateError, match=re.escape(text)):
        rn.run(norm, torch.zeros(2, 1, 3, dtype=torch.float64), state)


def test_it_says_what_it_is(norm):
    assert repr(norm) == "TEBN(3, num_steps=5, eps=0.01)"
