import numpy as np
import pytest
import torch
from torch import nn

from ranvier.measure.recordings import choose_samples, recordings
from ranvier.neurons.hodgkin_huxley import HodgkinHuxley
from ranvier.neurons.leaky_integrator import LeakyIntegrator
from ranvier.neurons.lif import LIF
from ranvier.neurons.resonate_and_fire import ResonateAndFire
from ranvier.nn.sequential import Sequential
from ranvier.nn.spiking import Spiking

pytestmark = pytest.mark.filterwarnings("ignore:The slow executor:RuntimeWarning")  # where the kernel is not built


def record(net, inputs):
    films, traces = recordings(net, inputs, list(range(inputs.shape[1])), None)
    return films, traces


def test_a_membrane_is_recorded_as_the_equation_has_it():
    # v[t] = v[t-1] + 0.4 without leak; spike at v >= 1, then v - 1: fires at steps 2, 4, 7, 9.
    films, (trace, *_) = record(Sequential(LIF(tau_m=1e9, decay_input=False)), torch.full((10, 1, 1), 0.4))
    v, expected, spikes = 0.0, [], []
    for t in range(10):
        v += np.float32(0.4)
        if v >= 1:
            v -= 1
            spikes.append(t)
        expected.append(v)
    np.testing.assert_allclose(trace.v, expected, atol=1e-5)
    assert trace.spikes == tuple(spikes) == (2, 4, 7, 9)
    assert films[0].rasters[-1].step == trace.spikes


def test_thresholds_of_single_neurons_are_their_own():
    limits = torch.tensor([0.5, 1.5])
    _, traces = record(Sequential(LIF(tau_m=1e9, v_th=limits, decay_input=False)), torch.full((10, 1, 2), 0.4))
    assert {trace.neuron for trace in traces} == {0, 1}
    for trace in traces:
        assert trace.v_th == float(limits[trace.neuron])


def test_a_read_out_that_does_not_spike_has_no_raster():
    net = Sequential(LIF(tau_m=2.0, decay_input=False), Spiking(LeakyIntegrator()))
    (film,), traces = record(net, torch.full((6, 1, 3), 0.8))
    assert [r.layer for r in film.rasters] == ["input", "0 LIF"]
    assert {t.layer for t in traces} == {"0 LIF"}


@pytest.mark.parametrize("neuron", [ResonateAndFire(), HodgkinHuxley()])
def test_neurons_of_any_state_can_be_recorded(neuron):
    (film,), _ = record(Sequential(neuron), torch.ones(5, 1, 2))
    assert film.steps == 5


def test_two_neurons_of_each_layer_are_shown_and_a_silent_layer_too():
    net = Sequential(LIF(tau_m=2.0, decay_input=False), LIF(tau_m=2.0, v_th=100.0))
    currents = torch.linspace(0, 2, 200).expand(20, 1, 200)
    (film,), traces = record(net, currents)
    assert [t.layer for t in traces] == ["0 LIF", "0 LIF", "1 LIF", "1 LIF"]
    assert [len(t.spikes) > 0 for t in traces] == [True, True, False, False]
    assert len(film.rasters[1].neurons) == 32
    assert film.rasters[2].step == ()


def test_color_images_become_grey_and_large_ones_are_left_out():
    (film,), _ = record(nn.Flatten(2), torch.rand(2, 1, 3, 4, 5))
    assert film.frames.array().shape == (2, 1, 4, 5)
    (film,), _ = record(nn.Flatten(2), torch.rand(2, 1, 4, 5))
    assert film.frames.array().shape == (2, 1, 4, 5)
    (film,), _ = record(nn.Flatten(2), torch.rand(1, 1, 1, 300, 300))
    assert film.frames is None


def test_outputs_without_time_are_answers_without_scores():
    class Mean(nn.Module):
        def forward(self, x_TB):
            return x_TB.mean(0)

    inputs = torch.zeros(3, 1, 4)
    inputs[:, 0, 2] = 1
    (film,), _ = record(Mean(), inputs)
    assert (film.predicted, film.scores) == (2, ())


def test_samples_are_a_right_one_a_wrong_one_and_another_class():
    targets = torch.tensor([0, 0, 1, 2, 2])
    assert choose_samples(torch.tensor([0, 0, 1, 1, 2]), targets, 5) == [0, 3, 2]
    assert choose_samples(targets, targets, 5) == [0, 2, 3]
    assert choose_samples(torch.tensor([0, 0]), torch.tensor([0, 0]), 2) == [0, 1]
    assert choose_samples(None, None, 2) == [0, 1]
