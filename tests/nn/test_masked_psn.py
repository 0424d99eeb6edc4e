import re

import numpy as np
import pytest
import torch

import ranvier.nn as rn
from ranvier.core.errors import ConfigError, ShapeError, StateError
from ranvier.core.surrogate import Soft
from ranvier.core.surrogates.atan import ATan


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype) * 2


def make(num_steps, order, **options):
    layer = rn.MaskedPSN(num_steps, order, **options).double()
    with torch.no_grad():
        layer.weight.copy_(draw(num_steps, num_steps, seed=1))
        layer.v_th.copy_(draw(num_steps, seed=2))
    return layer


@pytest.mark.parametrize("order", [1, 3, 7, 20])
@pytest.mark.parametrize("strength", [1.0, 0.4, 0.0])
def test_spikes_are_those_of_the_equations(order, strength):
    layer, x = make(7, order, strength=strength), draw(7, 3, 4)
    expected = np.zeros((7, 3, 4))
    for t in range(7):
        mask = [1.0 if t - order < j <= t else 1.0 - strength for j in range(7)]
        h = sum(mask[j] * layer.weight[t, j].item() * x[j].numpy() for j in range(7))
        expected[t] = h >= layer.v_th[t].item()
    assert 0.1 < expected.mean() < 0.9
    np.testing.assert_array_equal(layer(x).detach().numpy(), expected)


def test_without_mask_it_is_the_parallel_neuron():
    masked, plain = make(6, 2, strength=0.0), rn.PSN(6).double()
    plain.load_state_dict(masked.state_dict())
    assert torch.equal(masked(draw(6, 2, 3)), plain(draw(6, 2, 3)))


def test_a_stream_says_what_the_whole_sequence_says():
    layer, x = make(9, 3).float(), draw(9, 2, 3, dtype=torch.float32)
    stream = rn.Stream(layer, batch=2)
    assert torch.equal(torch.stack([stream(frame) for frame in x]), layer(x))
    assert stream.state[""].step.tolist() == [9, 9]
    with pytest.raises(StateError, match="expected at most 9 steps, got 1 more steps from step 9"):
        stream(x[0])


def test_sequences_at_different_steps_go_on_together():
    layer, x = make(9, 3), draw(9, 2, 3)
    _, early = layer.run(x[:2, :1])
    _, late = layer.run(x[:5, 1:])
    joined = layer.State(*(torch.cat(pair) for pair in zip(early, late, strict=True)))
    y, _ = layer.run(torch.cat([x[2:5, :1], x[5:8, 1:]], 1), joined)
    assert torch.equal(y[:, 0], layer(x)[2:5, 0])
    assert torch.equal(y[:, 1], layer(x)[5:8, 1])


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_gradients_of_a_smooth_layer_are_finite_differences(strength):
    layer = rn.MaskedPSN(4, 2, strength=strength, surrogate=Soft(of=ATan())).double()
    values = [draw(4, 2).requires_grad_(), draw(4, 4, seed=1).requires_grad_(), draw(4, seed=2).requires_grad_()]
    assert torch.autograd.gradcheck(
        lambda x, w, v: torch.func.functional_call(layer, {"weight": w, "v_th": v}, (x,)), values
    )


def test_a_half_masked_layer_takes_whole_sequences_only():
    layer = make(6, 2, strength=0.5)
    text = (
        "expected the whole sequence of 6 steps from the start, got 5 steps. At strength 0.5 inputs to come are heard"
    )
    with pytest.raises(StateError, match=re.escape(text)):
        layer(draw(5, 2, 3))
    _, state = make(6, 2).run(draw(2, 2, 3))
    with pytest.raises(StateError, match="got a state to go on from"):
        layer.run(draw(4, 2, 3), state)


def test_longer_sequences_and_wrong_settings_are_refused():
    with pytest.raises(ShapeError, match=re.escape("MaskedPSN: expected at most 6 steps, got 7 steps.")):
        make(6, 2)(draw(7, 2, 3))
    with pytest.raises(ConfigError, match=re.escape("MaskedPSN.strength: expected a number from 0 to 1, got 1.5.")):
        rn.MaskedPSN(6, 2, strength=1.5)
    with pytest.raises(ConfigError, match=re.escape("MaskedPSN.order: expected at least 1 step, got 0.")):
        rn.MaskedPSN(6, 0)
    assert "num_steps=6, order=2, strength=1" in repr(rn.MaskedPSN(6, 2))
