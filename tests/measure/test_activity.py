import math

import numpy as np
import pytest
import torch

from ranvier.core.errors import ShapeError
from ranvier.measure.activity import activation_sparsity, activity, interval_cv


def test_a_layer_with_a_dead_a_saturated_and_a_lively_neuron():
    spikes = torch.zeros(10, 2, 3)
    spikes[:, :, 1] = 1
    spikes[:3, :, 2] = 1
    found = activity(spikes)
    assert found.num_neurons == 3
    assert found.rate == pytest.approx((0 + 1 + 0.3) / 3)
    assert found.dead == pytest.approx(1 / 3)
    assert found.saturated == pytest.approx(1 / 3)
    expected = np.histogram([0, 1, 0.3], bins=20, range=(0, 1))[0]
    assert sum(found.histogram) == 3
    assert found.histogram[0] == found.histogram[19] == expected[0] == expected[19] == 1


def test_a_neuron_is_dead_only_if_it_is_silent_in_every_sample():
    spikes = torch.zeros(5, 2, 2)
    spikes[0, 1, 0] = 1
    assert activity(spikes).dead == 0.5


def test_95_percent_of_the_steps_is_saturated_and_less_is_not():
    spikes = torch.ones(20, 1, 2)
    spikes[0, :, :] = 0
    spikes[1, :, 1] = 0
    assert activity(spikes).saturated == 0.5


def test_graded_spikes_count_once():
    assert activity(torch.tensor([[[3.0]], [[0.0]]])).rate == 0.5


def test_axes_of_space_do_not_matter():
    spikes = (torch.rand(6, 2, 12, generator=torch.Generator().manual_seed(1)) < 0.3).float()
    assert activity(spikes) == activity(spikes.reshape(6, 2, 3, 2, 2))


def test_activation_sparsity_is_pooled_over_layers():
    large, small = torch.zeros(2, 1, 9), torch.ones(2, 1, 1)
    assert activation_sparsity({"a": large, "b": small}) == pytest.approx(1 - 2 / 20)
    assert activation_sparsity({}) == 0.0


def test_a_clock_has_no_variation_and_few_spikes_have_none_to_tell():
    spikes = torch.zeros(30, 1, 3)
    spikes[::5, 0, 0] = 1
    spikes[[0, 7], 0, 1] = 1
    spikes[[0, 1, 4], 0, 2] = 1
    cv = interval_cv(spikes)
    assert cv.shape == (1, 3)
    assert cv[0, 0] == 0
    assert math.isnan(cv[0, 1])
    assert cv[0, 2] == pytest.approx(1 / 2)  # intervals 1 and 3: mean 2, deviation 1


def test_a_bernoulli_process_varies_as_the_geometric_distribution():
    spikes = (torch.rand(40_000, 1, 4, generator=torch.Generator().manual_seed(0)) < 0.1).float()
    # cv of a geometric interval is sqrt(1 - p); about 4000 intervals, so an error of about 1 / sqrt(8000).
    np.testing.assert_allclose(interval_cv(spikes)[0], math.sqrt(0.9), atol=4 / math.sqrt(8000))


def test_a_recording_without_steps_is_an_error():
    with pytest.raises(ShapeError, match=r"activity: expected a tensor \(T, B, \.\.\.\)"):
        activity(torch.zeros(0, 1, 3))
