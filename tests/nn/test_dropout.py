import pytest
import torch

import ranvier.nn as rn
from ranvier.core.errors import ConfigError


@pytest.fixture(autouse=True)
def same_numbers(seeded):
    with torch.random.fork_rng():
        torch.random.default_generator.set_state(seeded.get_state())
        yield


def test_the_mask_is_locked_in_time_and_keeps_the_mean():
    y = rn.Dropout(0.25)(torch.ones(6, 100, 50))
    assert torch.equal(y, y[:1].expand_as(y))
    torch.testing.assert_close(y.unique(), torch.tensor([0.0, 4 / 3]))
    assert y.mean().item() == pytest.approx(1.0, abs=4 * (0.25 / 0.75 / 5000) ** 0.5)


def test_a_stream_keeps_its_mask_and_a_new_sequence_draws_another():
    layer, x = rn.Dropout(0.5), torch.ones(4, 3, 20)
    y, state = rn.run(layer, x[:1])
    assert torch.equal(rn.run(layer, x[1:], state)[0], y.expand(3, 3, 20))
    assert not torch.equal(layer(x)[:1], y)


def test_evaluation_lets_all_through():
    layer, x = rn.Dropout(0.5), torch.randn(4, 3, 20)
    _, state = layer.run(x)
    layer.eval()
    assert layer(x) is x
    assert layer.run(x, state)[0] is x
    _, fresh = layer.run(x)
    layer.train()
    assert torch.equal(layer.run(x, fresh)[0], x)


def test_gradients_are_those_of_the_mask():
    x = torch.ones(2, 3, 4, requires_grad=True)
    y = rn.Dropout(0.5)(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())
    assert set(y.unique().tolist()) == {0.0, 2.0}


@pytest.mark.parametrize("p", [-0.1, 1.0, float("nan")])
def test_what_is_no_probability_is_refused(p):
    with pytest.raises(ConfigError, match="Dropout.p: expected a probability in \\[0, 1\\)"):
        rn.Dropout(p)


def test_it_says_what_it_is():
    assert repr(rn.Dropout(0.25)) == "Dropout(p=0.25)"
