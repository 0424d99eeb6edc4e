"""Our names for the peers' neurons: their words lead to a neuron, and the neuron says their words.

What the neurons do is compared with the peers themselves by the scripts in crosscheck/. The loops here are written from
the peers' documentation. Letters: T time.
"""

import ast
import inspect
import re

import numpy as np
import pytest
import torch

from ranvier import neurons
from ranvier.core.errors import ConfigError
from ranvier.core.params import parameters
from ranvier.core.reset import NoReset
from ranvier.neurons import (
    EIF,
    IF,
    LIF,
    PLIF,
    QIF,
    IntegerLIF,
    LeakyIntegrator,
    ResonateAndFire,
    SynapticALIF,
    SynapticLIF,
)

SAID = [
    (IF, "SpikingJelly", {"v_threshold": 0.7, "v_reset": -0.2, "detach_reset": True}),
    (IF, "SpikingJelly", {"v_threshold": 0.7, "v_reset": None}),
    (IF, "snnTorch", {"threshold": 0.7, "reset_mechanism": "zero"}),
    (IF, "snnTorch", {"reset_mechanism": "none"}),
    (IF, "Norse", {"v_th": 0.7, "v_reset": -0.2}),
    (LIF, "SpikingJelly", {"tau": 3.0, "v_threshold": 0.7, "v_reset": -0.2}),
    (LIF, "SpikingJelly", {"tau": 3.0, "v_reset": None, "decay_input": False}),
    (LIF, "snnTorch", {"beta": 0.8, "threshold": 0.7, "reset_mechanism": "subtract", "reset_delay": False}),
    (LIF, "snnTorch", {"beta": 0.8, "reset_mechanism": "zero", "reset_delay": True}),
    (LIF, "Norse", {"tau_mem_inv": 200.0, "v_leak": 0.1, "v_th": 0.7, "v_reset": -0.2}),
    (PLIF, "SpikingJelly", {"init_tau": 3.0, "v_threshold": 0.7, "v_reset": -0.2}),
    (QIF, "SpikingJelly", {"tau": 3.0, "v_c": 0.7, "a0": 1.5, "v_reset": -0.2}),
    (EIF, "SpikingJelly", {"tau": 3.0, "delta_T": 0.5, "theta_rh": 0.7, "v_reset": -0.2}),
    (IntegerLIF, "SpikingJelly", {"tau": 3.0, "v_threshold": 0.7}),
    (LeakyIntegrator, "SpikingJelly", {"tau": 3.0}),
    (LeakyIntegrator, "Norse", {"tau_mem_inv": 200.0, "v_leak": 0.1}),
    (SynapticLIF, "SpikingJelly", {"c_decay": 0.6, "v_decay": 0.7, "v_threshold": 0.4, "v_reset": None}),
    (SynapticLIF, "snnTorch", {"alpha": 0.6, "beta": 0.7, "threshold": 0.4, "reset_delay": False}),
    (SynapticLIF, "Norse", {"tau_syn_inv": 300.0, "tau_mem_inv": 150.0, "v_leak": 0.1, "v_th": 0.7, "v_reset": -0.2}),
    (
        SynapticALIF, "Norse",
        {"tau_syn_inv": 300.0, "tau_mem_inv": 150.0, "tau_adapt_inv": 5.0, "v_th": 0.7, "v_reset": -0.2, "beta": 0.3},
    ),
]  # fmt: skip


def made(kind, peer, options):
    return getattr(kind, f"like_{peer.lower()}")(**options)


def options_said(words):
    inside = re.search(r"\((.*?)\)", words)[1]
    call = ast.parse(f"f({inside})", mode="eval").body
    return {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}


@pytest.mark.parametrize(("kind", "peer", "options"), SAID)
def test_a_neuron_made_from_a_peer_s_words_says_these_words(kind, peer, options):
    neuron = made(kind, peer, options)
    said = neuron.equivalents(dt=1.0)[peer]
    assert "which fires" not in said
    assert {name: value for name, value in options_said(said).items() if name in options} == pytest.approx(options)


@pytest.mark.parametrize(("kind", "peer", "options"), SAID)
def test_the_words_a_neuron_says_make_the_same_neuron(kind, peer, options):
    neuron = made(kind, peer, options)
    accepted = inspect.signature(getattr(kind, f"like_{peer.lower()}")).parameters
    said = options_said(neuron.equivalents(dt=1.0)[peer])
    again = made(kind, peer, {name: value for name, value in said.items() if name in accepted})
    assert parameters(again) == pytest.approx(parameters(neuron), rel=1e-5)
    assert type(again.reset) is type(neuron.reset)
    assert (again.strict, again.reset.detach) == (neuron.strict, neuron.reset.detach)


@pytest.mark.parametrize(
    ("neuron", "peer", "ending"),
    [
        (IF.like_norse(), "SpikingJelly", " (which fires at v >= v_th)"),
        (LIF.like_spikingjelly(), "Norse", " (which fires at v > v_th)"),
        (SynapticLIF.like_spikingjelly(), "snnTorch", " (which fires at v > v_th)"),
    ],
)
def test_a_peer_that_judges_equality_otherwise_is_named_with_it(neuron, peer, ending):
    assert neuron.equivalents(dt=1.0)[peer].endswith(ending)


@pytest.mark.parametrize(
    "neuron",
    [
        IF(v_th=torch.tensor([1.0, 2.0])), LIF(tau_m=torch.tensor([1.0, 2.0])), PLIF(w=torch.tensor([0.0, 1.0])),
        LeakyIntegrator(tau_m=torch.tensor([1.0, 2.0])), SynapticLIF(tau_m=torch.tensor([1.0, 2.0])),
        SynapticALIF(tau_m=torch.tensor([1.0, 2.0])), EIF(tau_m=torch.tensor([9.0, 8.0])),
        QIF(tau_m=torch.tensor([9.0, 8.0])), IntegerLIF(tau_m=torch.tensor([9.0, 8.0])),
        SynapticLIF(order="membrane_first"),
    ],
)  # fmt: skip
def test_what_no_peer_has_has_no_equivalent(neuron):
    assert dict(neuron.equivalents(dt=1.0)) == {}


def test_a_reset_that_a_peer_lacks_is_not_claimed():
    assert set(IF(reset=NoReset()).equivalents(dt=1.0)) == {"snnTorch"}
    assert set(IF(v_rest=0.3).equivalents(dt=1.0)) == set()
    assert set(LeakyIntegrator(v_rest=0.2).equivalents(dt=1.0)) == {"Norse"}
    assert set(LeakyIntegrator(decay_input=False, discretisation="euler").equivalents(dt=1.0)) == {"snnTorch"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LIF.like_snntorch(beta=1.0), "expected a decay factor between 0 and 1, got 1.0. Use IF"),
        (lambda: SynapticLIF.like_snntorch(alpha=0.0, beta=0.5), "like_snntorch(alpha): expected a decay"),
        (
            lambda: SynapticLIF.like_spikingjelly(v_decay=1.5),
            "like_spikingjelly(v_decay): expected a decay",
        ),
        (lambda: ResonateAndFire.like_spikingjelly(b=0.1), "like_spikingjelly(b): expected a number < 0, got 0.1."),
        (lambda: ResonateAndFire.like_spikingjelly(v_reset=None), "expected a potential, got None, a soft reset."),
        (lambda: IF.like_snntorch(reset_mechanism="substract"), "expected 'subtract' or"),
    ],
)
def test_impossible_words_are_refused(make, message):
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in str(caught.value)


def run(neuron, current_T):
    state, spikes = neuron.State(*(torch.as_tensor(v, dtype=torch.float64) for v in neuron.rest())), []
    for current in torch.from_numpy(current_T):
        state, fired = neuron.step(state, current, dt=1.0)
        spikes.append(float(fired))
    return np.array(spikes)


@pytest.fixture
def current_T():
    return np.random.default_rng(0).uniform(-0.5, 1.5, 400)


def test_spikingjelly_s_lif_leaks_towards_its_reset(current_T):
    tau, v_th, v_reset, v, expected = 3.0, 0.6, -0.1, -0.1, []
    for x in current_T:
        h = v + (x - (v - v_reset)) / tau
        expected.append(float(h >= v_th))
        v = v_reset if h >= v_th else h
    neuron = LIF.like_spikingjelly(tau=tau, v_threshold=v_th, v_reset=v_reset)
    assert 5 < sum(expected) < 300
    np.testing.assert_array_equal(run(neuron, current_T), expected)


def test_snntorch_s_leaky_resets_one_step_late(current_T):
    beta, v_th, mem, expected = 0.8, 1.0, 0.0, []
    for x in current_T:
        reset = float(mem > v_th)
        mem = beta * mem + x - reset * v_th
        expected.append(float(mem > v_th))
    assert 5 < sum(expected) < 300
    np.testing.assert_array_equal(run(LIF.like_snntorch(beta=beta, threshold=v_th), current_T), expected)


def test_norse_s_lif_has_a_current_that_decays_after_it_was_felt(current_T):
    v, i, expected = 0.0, 0.0, []
    for x in current_T:
        jumped = i + x
        v_decayed = v + 0.001 * 300.0 * ((0.0 - v) + jumped)
        i = jumped - 0.001 * 400.0 * jumped
        expected.append(float(v_decayed > 0.9))
        v = 0.0 if v_decayed > 0.9 else v_decayed
    neuron = SynapticLIF.like_norse(tau_syn_inv=400.0, tau_mem_inv=300.0, v_th=0.9)
    assert 5 < sum(expected) < 390
    np.testing.assert_array_equal(run(neuron, current_T), expected)


def test_every_constructor_from_a_peer_is_tested_here():
    here = {(kind.__name__, peer.lower()) for kind, peer, _ in SAID} | {("ResonateAndFire", "spikingjelly")}
    all_ = {
        (name, peer)
        for name in neurons.__all__
        for peer in ("spikingjelly", "snntorch", "norse")
        if hasattr(getattr(neurons, name), f"like_{peer}")
    }
    assert here == all_


def test_spikingjelly_s_resonator_turns_and_fires_on_its_imaginary_part(current_T):
    z, expected = 0.0j, []
    for current in current_T:
        z = np.exp(-0.2 + 1.0j) * z + current
        expected.append(float(z.imag >= 1.0))
        if z.imag >= 1.0:
            z = z.real + 0.0j
    assert 5 < sum(expected) < 390
    np.testing.assert_array_equal(run(ResonateAndFire.like_spikingjelly(), current_T), expected)
