import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.train.losses import Latency
from ranvier.train.losses.latency import first_spike


def spikes():
    g = torch.Generator().manual_seed(0)
    return (torch.rand(9, 5, 4, generator=g, dtype=torch.float64) < 0.15).double()


def first(s_TBK):
    """Index of the first spike by search, T if none."""
    return np.where(s_TBK.any(0), s_TBK.argmax(0), len(s_TBK))


def test_the_time_is_the_index_of_the_first_spike_and_the_length_if_there_is_none():
    s = spikes()
    times = first(s.numpy().astype(bool))
    assert (times == 9).any()
    assert (times == 0).any() or times.min() < 4
    np.testing.assert_array_equal(first_spike(s), times)


def test_it_is_the_cross_entropy_of_the_times_written_out():
    s, y = spikes(), np.array([0, 3, 1, 1, 2])
    score = -first(s.numpy().astype(bool)) / 2.5
    p = np.exp(score) / np.exp(score).sum(-1, keepdims=True)
    expected = -np.log(p[np.arange(5), y]).mean()
    np.testing.assert_allclose(Latency(tau=2.5)(s, torch.tensor(y)), expected, rtol=1e-12)


def test_the_gradient_of_the_time_is_the_one_the_manual_states():
    s = torch.zeros(8, 1, 2, dtype=torch.float64)
    s[3, 0, 0] = s[5, 0, 0] = 1  # neuron 0 fires at 3 and 5, neuron 1 never
    s.requires_grad_()
    first_spike(s).sum().backward()
    assert s.grad[:, 0, 0].tolist() == [-3, -2, -1, -2, 0, 0, 0, 0]
    assert s.grad[:, 0, 1].tolist() == [-8, -7, -6, -5, -4, -3, -2, -1]


def test_the_gradient_is_that_of_finite_differences_for_graded_spikes():
    s = torch.rand(5, 2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64, requires_grad=True)
    y = torch.tensor([2, 0])
    assert torch.autograd.gradcheck(lambda s: Latency(tau=1.5, label_smoothing=0.1)(s, y), (s,))


def test_the_first_to_fire_is_the_decision():
    s = torch.zeros(4, 2, 3)
    s[2, 0, 0] = s[1, 0, 2] = s[3, 1, 1] = 1
    assert Latency().decide(s).tolist() == [2, 1]


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match=r"^Latency\.tau: expected a number > 0"):
        Latency(tau=0.0)
    with pytest.raises(ConfigError, match=r"^Latency\.label_smoothing: expected a share"):
        Latency(label_smoothing=1.0)
