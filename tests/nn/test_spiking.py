import copy
import re

import numpy as np
import pytest
import torch

import ranvier.nn as rn
from ranvier.core.errors import ConfigError, DtypeError, ShapeError, StateError, UnitError, UnknownNameError
from ranvier.core.reset import ToValue
from ranvier.neurons import LIF


def lif(x, tau, v_th=1.0):
    """A leaky integrate-and-fire neuron with soft reset in float64 numpy, written from its equations."""
    decay, v, out = np.exp(-1.0 / tau), 0.0, []
    for current in x:
        v = decay * v + (1 - decay) * current
        s = (v >= v_th).astype(float)
        v = v - v_th * s
        out.append(s)
    return np.stack(out), v


def test_spikes_and_state_are_those_of_the_equations(seeded):
    x = torch.rand(40, 3, 5, generator=seeded, dtype=torch.float64) * 4
    spikes, v = lif(x.numpy(), 5.0)
    layer = rn.Spiking(LIF(tau_m=5.0))
    y, state = layer.run(x)
    assert 0.1 < spikes.mean() < 0.9
    np.testing.assert_array_equal(y.numpy(), spikes)
    np.testing.assert_allclose(state.v.numpy(), v, rtol=0, atol=1e-12)
    assert torch.equal(layer(x), y)


def test_a_value_a_channel_broadcasts_from_the_right(seeded):
    x = torch.rand(30, 2, 3, 4, 4, generator=seeded, dtype=torch.float64) * 4
    tau = torch.tensor([2.0, 5.0, 20.0], dtype=torch.float64).reshape(3, 1, 1)
    y = rn.Spiking(LIF(tau_m=tau))(x)
    np.testing.assert_array_equal(y.numpy(), lif(x.numpy(), tau.numpy())[0])
    assert y.sum() > 0


def test_learned_parameters_and_tensors_carry_their_own_names():
    layer = rn.Spiking(
        LIF(tau_m=torch.full((4,), 3.0), v_th=torch.tensor(1), reset=ToValue(v_reset=-0.5)),
        learn=("tau_m", "reset.v_reset"),
    )
    assert {n: tuple(p.shape) for n, p in layer.named_parameters()} == {"tau_m": (4,), "reset.v_reset": ()}
    assert {n: p.dtype for n, p in layer.named_buffers()} == {"v_th": torch.float32}
    assert set(layer.state_dict()) == {"tau_m", "reset.v_reset", "v_th"}
    assert layer.learn == ("tau_m", "reset.v_reset")


def test_gradients_reach_what_is_learned_and_match_finite_differences(seeded):
    from ranvier.core.surrogate import Soft
    from ranvier.core.surrogates.atan import ATan

    x = torch.rand(6, 2, 3, generator=seeded, dtype=torch.float64) * 3
    neuron = LIF(tau_m=torch.tensor([2.0, 3.0, 4.0], dtype=torch.float64), surrogate=Soft(of=ATan()))
    layer = rn.Spiking(neuron, learn=("tau_m", "v_th")).double()
    weights = torch.rand(6, 2, 3, generator=seeded, dtype=torch.float64)
    (layer(x) * weights).sum().backward()
    for p in (layer.tau_m, layer.v_th):
        for index in np.ndindex(*p.shape):
            with torch.no_grad():
                ends = []
                for shift in (1e-5, -1e-5):
                    p[index] += shift
                    ends.append((layer(x) * weights).sum().item())
                    p[index] -= shift
            assert p.grad[index].item() == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5)
            assert p.grad[index] != 0


def test_the_neuron_of_a_layer_shows_present_values():
    layer = rn.Spiking(LIF(tau_m=2.0), learn=("tau_m",))
    with torch.no_grad():
        layer.tau_m.fill_(7.0)
    assert layer.neuron.tau_m.item() == 7.0
    assert not layer.neuron.tau_m.requires_grad
    assert layer.plan.neuron.tau_m.item() == 2.0
    assert LIF(tau_m=2.0) == rn.Spiking(LIF(tau_m=2.0)).neuron


def test_the_state_dict_of_one_layer_makes_another_fire_alike(seeded):
    x = torch.rand(20, 2, 4, generator=seeded) * 3
    one = rn.Spiking(LIF(tau_m=9.0, v_th=torch.full((4,), 0.7)), learn=("tau_m",))
    two = rn.Spiking(LIF(tau_m=2.0, v_th=torch.full((4,), 1.5)), learn=("tau_m",))
    assert not torch.equal(one(x), two(x))
    two.load_state_dict(one.state_dict())
    assert torch.equal(one(x), two(x))


def test_a_deep_copy_is_independent(seeded):
    x = torch.rand(20, 2, 4, generator=seeded) * 3
    layer = rn.Spiking(LIF(tau_m=2.0), learn=("tau_m",))
    other = copy.deepcopy(layer)
    assert torch.equal(layer(x), other(x))
    before = layer(x)
    with torch.no_grad():
        other.tau_m.fill_(50.0)
    assert torch.equal(layer(x), before)
    assert not torch.equal(other(x), before)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_spikes_have_the_type_of_the_input(dtype):
    y, state = rn.Spiking(LIF(tau_m=2.0), learn=("tau_m",)).run(torch.full((5, 2), 3.0, dtype=dtype))
    assert y.dtype == dtype
    assert state.v.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert y.sum() > 0


def test_dt_is_a_time():
    x = torch.full((8, 1), 1.7)
    assert rn.Spiking(LIF(tau_m=4.0), dt="500 us").dt == 0.5
    assert torch.equal(rn.Spiking(LIF(tau_m=4.0), dt=0.5)(x), rn.Spiking(LIF(tau_m=8.0), dt=1)(x))


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (
            lambda: rn.Spiking(LIF),
            ConfigError,
            "Spiking: expected a neuron description, got the class LIF. Write LIF().",
        ),
        (lambda: rn.Spiking(3), ConfigError, "Spiking: expected a neuron description, got 3."),
        (lambda: rn.Spiking(LIF(), learn=("tau",)), UnknownNameError, "got 'tau'. Did you mean 'tau_m'?"),
        (lambda: rn.Spiking(LIF(), learn="tau_m"), ConfigError, "got 'tau_m'. Write ('tau_m',)."),
        (
            lambda: rn.Spiking(LIF(), learn=("surrogate.alpha",)),
            ConfigError,
            "It shapes gradients but has none itself.",
        ),
        (lambda: rn.Spiking(LIF(), learn=("decay_input",)), UnknownNameError, "expected a known parameter"),
        (lambda: rn.Spiking(LIF(), dt=0), ConfigError, "Spiking.dt: expected a time step > 0 ms, got 0."),
        (lambda: rn.Spiking(LIF(), dt="3 mV"), UnitError, "Spiking.dt"),
        (lambda: rn.Spiking(LIF(), executor="gpuu"), UnknownNameError, "got 'gpuu'. Did you mean 'gpu'"),
    ],
)
def test_a_layer_that_makes_no_sense_is_refused(make, kind, text):
    with pytest.raises(kind, match=re.escape(text)):
        make()


@pytest.mark.parametrize(
    ("x", "kind", "text"),
    [
        (torch.zeros(3), ShapeError, "Spiking(LIF): expected an input (T, B, ...) with at least 2 axes, got (3,)."),
        (torch.zeros(0, 3), ShapeError, "Spiking(LIF): expected at least one time step, got an empty sequence"),
        (torch.zeros(2, 3, dtype=torch.uint8), DtypeError, "Spiking(LIF): expected a floating input, got torch.uint8."),
        (
            torch.zeros(2, 3, 8, 5, 5),
            ShapeError,
            "Spiking(LIF): expected tau_m of a shape that broadcasts against (B, ...) = (3, 8, 5, 5), got (8,)."
            " One value a channel of (B, C, H, W) has shape (C, 1, 1).",
        ),
        (torch.zeros(2, 8), ShapeError, "against (B, ...) = (8,), got (1, 8)"),
    ],
)
def test_an_input_that_does_not_fit_is_refused(x, kind, text):
    tau = torch.full((1, 8) if x.shape == (2, 8) else (8,), 2.0)
    with pytest.raises(kind, match=re.escape(text)):
        rn.Spiking(LIF(tau_m=tau))(x)


def test_a_state_of_another_neuron_is_refused():
    with pytest.raises(StateError, match=re.escape("Spiking(LIF): expected a state with the fields (v), got a tuple.")):
        rn.Spiking(LIF()).run(torch.zeros(2, 3), (torch.zeros(3),))


def test_a_layer_says_what_it_is():
    layer = rn.Spiking(LIF(tau_m=2.0, v_th=torch.full((4,), 1.0)), learn=("tau_m",), dt=0.5)
    assert "tau_m*=2, v_th=tensor(4,)" in repr(layer)
    text = layer.describe()
    assert text.startswith("Spiking(LIF), dt = 0.5 ms, state (v)")
    assert "  tau_m = 2 ms (learned)\n" in text
    assert "  v_th = tensor(4,) mV (per neuron)\n" in text
    assert "  surrogate.alpha = 2\n" in text


def test_a_forward_pass_changes_nothing_in_the_layer():
    layer = rn.Spiking(LIF(tau_m=2.0), learn=("tau_m",))
    before = {k: v for k, v in layer.__dict__.items() if not k.startswith("_")}
    keys = {k: set(getattr(layer, k)) for k in ("_parameters", "_buffers", "_modules")}
    layer(torch.ones(3, 2)).sum().backward()
    assert {k: v for k, v in layer.__dict__.items() if not k.startswith("_")} == before
    assert {k: set(getattr(layer, k)) for k in keys} == keys
