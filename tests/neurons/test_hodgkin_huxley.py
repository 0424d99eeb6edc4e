"""HodgkinHuxley against a float64 Runge-Kutta of the paper's equations, and its known excitability."""

import numpy as np

from ranvier.neurons import HodgkinHuxley


def rates(v):
    x, y = (v + 40) / 10, (v + 55) / 10
    return np.array([
        [x / -np.expm1(-x), 4 * np.exp(-(v + 65) / 18)],
        [0.07 * np.exp(-(v + 65) / 20), 1 / (1 + np.exp(-(v + 35) / 10))],
        [0.1 * y / -np.expm1(-y), 0.125 * np.exp(-(v + 65) / 80)],
    ])  # fmt: skip


def slope(state, current):
    v, m, h, n = state
    ions = 120 * m**3 * h * (v - 50) + 36 * n**4 * (v + 77) + 0.3 * (v + 54.4)
    ab = rates(v)
    return np.array([current - ions, *(ab[:, 0] * (1 - state[1:]) - ab[:, 1] * state[1:])])


def runge_kutta(current, dt, steps):
    ab = rates(-65.0)
    state, out = np.array([-65.0, *(ab[:, 0] / ab.sum(1))]), []
    for _ in range(steps):
        a = slope(state, current)
        b = slope(state + dt / 2 * a, current)
        c = slope(state + dt / 2 * b, current)
        state = state + dt / 6 * (a + 2 * b + 2 * c + slope(state + dt * c, current))
        out.append(state)
    return np.array(out)


def test_it_converges_to_the_paper(simulate):
    exact = runge_kutta(10.0, 0.01, 2000)
    errors = []
    for dt in (0.02, 0.01):
        every = round(dt / 0.01)
        v = simulate(HodgkinHuxley(), np.full(2000 // every, 10.0), dt=dt).states["v"][:, 0]
        errors.append(np.abs(v - exact[every - 1 :: every, 0]).mean())
    assert exact[:, 0].max() > 20  # it fired
    assert errors[1] < 2.0  # mV, most of it from the upstroke coming a fraction of a step too late
    assert 1.7 < errors[0] / errors[1] < 2.3  # first order


def test_tonic_firing_starts_between_6_and_7_microamperes(simulate):
    spikes = simulate(HodgkinHuxley(), np.tile([5.5, 7.0], (4000, 1)), dt=0.05).spikes
    late = spikes[1000:].sum(0)
    assert late[0] == 0
    assert 6 <= late[1] <= 12  # 50 Hz and more, in 150 ms


def test_an_action_potential_is_counted_once(simulate):
    kick = np.zeros(1500)
    kick[50:100] = 20.0
    seen = simulate(HodgkinHuxley(), kick, dt=0.02)
    assert seen.spikes.sum() == 1
    above = seen.states["v"][:, 0] >= -20
    assert above.sum() > 20
    assert np.flatnonzero(seen.spikes[:, 0])[0] == np.flatnonzero(above)[0]


def test_the_rates_have_no_hole_at_their_singularities(simulate):
    n = 401
    for centre in (-40.0, -55.0):
        v = centre + np.linspace(-0.02, 0.02, n)
        start = (v, np.full(n, 0.1), np.full(n, 0.5), np.full(n, 0.4))
        seen = simulate(HodgkinHuxley(), np.zeros((1, n)), dt=0.01, state=start)
        for name in ("m", "n"):
            steps = np.diff(seen.states[name][0])
            assert np.isfinite(steps).all()
            assert (steps > 0).all(), name
            assert np.ptp(steps) < 1e-9


def test_rest_is_the_equilibrium_of_the_gates():
    ab = rates(-65.0)
    np.testing.assert_allclose(HodgkinHuxley().rest()[1:], ab[:, 0] / ab.sum(1), rtol=1e-12)
