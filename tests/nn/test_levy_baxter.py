"""Levy-Baxter neurons: mean and variance of what arrives, and the threshold."""

import pytest
import torch

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.nn import LevyBaxter


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        yield


def share(layer, x, count=4000):
    return layer(x.expand(1, count, -1)).mean((0, 1)).item()


def test_one_synapse_fires_with_the_probability_of_failure_and_amplitude():
    # Arrives with 1 - s = 0.75, then uniform in [0, 2]: P(Q >= 0.5) = 0.75.
    layer = LevyBaxter(1, 1, failure=0.25, threshold=0.5)
    assert share(layer, torch.ones(1), 40_000) == pytest.approx(0.75 * 0.75, abs=0.012)
    assert share(layer, torch.zeros(1)) == 0.0


def test_many_synapses_have_the_mean_and_variance_of_their_sum():
    s, count = 0.4, 300
    mean, variance = count * (1 - s), count * (4 / 3 * (1 - s) - (1 - s) ** 2)
    for sigmas, expected in ((0.0, 0.5), (1.0, 0.1587), (-1.0, 0.8413)):
        layer = LevyBaxter(count, 1, failure=s, threshold=mean + sigmas * variance**0.5)
        assert share(layer, torch.ones(count)) == pytest.approx(expected, abs=0.035)


def test_without_failure_weights_scale_what_arrives():
    layer = LevyBaxter(2, 3, failure=0.0, threshold=0.6)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.2], [-1.0, 0.0]]))
    out = layer(torch.ones(20, 500, 2))
    assert out.shape == (20, 500, 3)
    assert out[..., 0].mean().item() == pytest.approx(0.7, abs=0.02)  # P(Q >= 0.6)
    assert out[..., 1].sum() == 0  # at most 0.4 arrives
    assert out[..., 2].sum() == 0
    out.sum().backward()
    assert torch.isfinite(layer.weight.grad).all()
    assert (layer.threshold.grad < 0).all()


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(ConfigError, match=r"^LevyBaxter\.failure: expected a probability in \[0, 1\), got 1\.0\.$"):
        LevyBaxter(1, 1, failure=1.0)
    with pytest.raises(ShapeError, match=r"^LevyBaxter: expected spikes \(T, B, N\) with N = 2, got \(3, 2\)\.$"):
        LevyBaxter(2, 1)(torch.ones(3, 2))
