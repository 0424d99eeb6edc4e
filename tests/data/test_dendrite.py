"""The neuron of three compartments against a plain loop in numpy, one neuron at a time."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.data.dendrite import Dendrite, _State


def plain(of, inputs, dt):
    """The equations of the docstring by forward Euler; inputs (T, X), weights from the neuron."""
    each = of.exciting + of.inhibiting
    v, w, left = of.e_l, 0.0, 0.0
    u, ampa, nmda, gaba = np.full(2, of.e_l), np.zeros(2), np.zeros(2), np.zeros(2)
    h = 1 / (1 + np.exp((u + 50) / 5))
    potentials, spikes = [], []
    weights = of.weights.double().numpy()
    for now in inputs:
        arrived = (np.abs(now) * weights).reshape(2, each)
        ampa, nmda = ampa + arrived[:, : of.exciting].sum(1), nmda + of.nmda_ratio * arrived[:, : of.exciting].sum(1)
        gaba, fired = gaba + arrived[:, of.exciting :].sum(1), 0
        for _ in range(round(1 / dt)):
            block = 1 / (1 + np.exp(-0.062 * u) / 3.57)
            sodium = of.g_na * h / (1 + np.exp(-(u + 38) / 5)) ** 3
            du = of.g_l * (of.e_l - u) + of.g_c * (v - u) + (ampa + nmda * block) * (0 - u)
            du = du + gaba * (of.e_i - u) + sodium * (of.e_na - u)
            upstroke = of.g_l * of.delta_t * np.exp((v - of.v_t) / of.delta_t)
            dv = of.g_l * (of.e_l - v) + of.g_c * (u - v).sum() + upstroke - w
            h, u = h + dt / of.tau_h * (1 / (1 + np.exp((u + 50) / 5)) - h), u + dt / of.capacitance * du
            v = of.v_reset if left > 0 else v + dt / of.capacitance * dv
            w, left = w * (1 - dt / of.tau_w), left - dt
            ampa, nmda, gaba = (
                ampa * (1 - dt / of.tau_ampa),
                nmda * (1 - dt / of.tau_nmda),
                gaba * (1 - dt / of.tau_gaba),
            )
            if v >= of.v_th:
                v, w, left, fired = of.v_reset, w + of.b, of.t_ref, 1
        potentials.append(of.v_t if fired else min(v, of.v_t))
        spikes.append(fired)
    return np.array(potentials), np.array(spikes)


def test_potentials_below_threshold_are_those_of_the_equations():
    neuron = replace(Dendrite(seed=1, rate=14.0), v_th=1e3, v_t=0.0, dt=0.03125)
    inputs = neuron.draw(120, 1, seed=3).double()
    ours = neuron.run(inputs)
    potentials, _ = plain(neuron, inputs[:, 0].numpy(), 0.01)
    assert np.ptp(potentials) > 10
    np.testing.assert_allclose(ours.v_TB[:, 0].numpy(), potentials, atol=0.3)


def test_it_fires_as_the_equations_say():
    neuron = replace(Dendrite(seed=1, rate=14.0), dt=0.03125)
    inputs = neuron.draw(150, 1, seed=4).double()
    _, spikes = plain(neuron, inputs[:, 0].numpy(), 0.01)
    ours = neuron.run(inputs).spikes_TB[:, 0].numpy()
    assert spikes.sum() >= 2
    assert abs(int(ours.sum()) - int(spikes.sum())) <= 1
    assert abs(np.flatnonzero(ours)[0] - np.flatnonzero(spikes)[0]) <= 1


def test_the_refractory_time_is_no_step_longer_where_its_countdown_is_rounded():
    neuron = replace(Dendrite(), v_t=-68.0, v_th=-66.0, v_reset=-75.0, b=0.0, dt=0.05)
    state = _State.rest(neuron, 1, torch.zeros(1))
    times = []
    for step in range(400):
        state = state._replace(v_BD=torch.full((1, 2), 2000.0))  # threshold is reached in a step
        state, fired = state.step(neuron)
        times += [step] * int(fired)
    assert set(np.diff(times)) == {round(neuron.t_ref / 0.05) + 1}


def test_nothing_in_nothing_out():
    still = Dendrite().run(torch.zeros(30, 2, 60))
    assert still.spikes_TB.sum() == 0
    assert still.v_TB.min() > -70.1
    assert still.v_TB.max() < -69


def test_inhibition_lowers_and_active_channels_raise_what_a_volley_does():
    neuron = replace(Dendrite(), v_th=1e3, v_t=0.0)
    volley = torch.zeros(40, 1, 60)
    volley[5, 0, :20] = 1
    inhibited = volley.clone()
    inhibited[5, 0, 20:30] = -1
    active, less = (float(neuron.run(x).v_TB.max()) + 70 for x in (volley, inhibited))
    passive = float(replace(neuron, active=False).run(volley).v_TB.max()) + 70
    assert active > passive + 1 > 2
    assert less < 0.9 * active


def test_the_rate_is_the_median_of_one_that_wanders():
    drawn = Dendrite(tau_rate=5.0).draw(2000, 100, seed=1).abs().mean().item() * 1000
    assert drawn == pytest.approx(8.0 * np.exp(0.6**2 / 2), rel=0.03)


def test_drawn_inputs_have_their_signs_and_their_rate():
    neuron = Dendrite(sigma_rate=0.0)
    drawn = neuron.draw(400, 50, seed=1).unflatten(2, (2, 30))
    assert set(drawn[..., :20].unique().tolist()) == {0.0, 1.0}
    assert set(drawn[..., 20:].unique().tolist()) <= {0.0, -1.0}
    assert drawn.abs().mean().item() * 1000 == pytest.approx(8.0, rel=0.05)
    assert torch.equal(neuron.draw(5, 2, seed=1), neuron.draw(5, 2, seed=1))


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(ConfigError, match=r"^Dendrite\.dt: expected a part of 1 ms, such as 0\.25, got 0\.3\.$"):
        Dendrite(dt=0.3)
    assert Dendrite(dt=1 / 49).dt == 1 / 49  # 49 times which is not 1
    with pytest.raises(ConfigError, match=r"^Dendrite\.tau_rate: expected a number > 0, got 0\.0\.$"):
        Dendrite(tau_rate=0.0)
    with pytest.raises(ConfigError, match=r"^Dendrite\.exciting: expected at least 1 synapse, got 0\.$"):
        Dendrite(exciting=0)
    with pytest.raises(ShapeError, match=r"^Dendrite: expected inputs \(T, B, 60\), got \(3, 1, 4\)\.$"):
        Dendrite().run(torch.zeros(3, 1, 4))
