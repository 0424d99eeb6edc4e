import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.nn.encode import sigma_delta


def test_spikes_carry_over_what_rounding_left():
    s = sigma_delta(torch.full((6, 1), 0.4), threshold=1.0)
    assert s.shape == (6, 1, 2)
    assert s[:, 0, 1].tolist() == [0, 1, 0, 1, 0, 0]  # sums 0.4 0.8 1.2 1.6 2.0 2.4, rounded 0 1 1 2 2 2
    assert s[:, 0, 0].sum() == 0


@pytest.mark.parametrize("threshold", [0.05, 0.3])
def test_the_running_sum_is_never_off_by_more_than_half_a_threshold(seeded, threshold):
    x = torch.randn(500, 3, 4, generator=seeded, dtype=torch.float64)
    s = sigma_delta(x, threshold=threshold)
    signed = s[:, :, 1] - s[:, :, 0]
    assert (s >= 0).all()
    assert signed.abs().sum() > 0
    assert (threshold * signed.cumsum(0) - x.cumsum(0)).abs().max() <= threshold / 2 + 1e-9


def test_cut_in_two_it_is_the_same(seeded):
    x = torch.randn(40, 2, 3, generator=seeded, dtype=torch.float64)
    whole = sigma_delta(x, threshold=0.5)
    first = sigma_delta(x[:17], threshold=0.5)
    left = x[:17].sum(0) - 0.5 * (first[:, :, 1] - first[:, :, 0]).sum(0)
    assert torch.equal(torch.cat([first, sigma_delta(x[17:], threshold=0.5, start_B=left)]), whole)


def test_a_threshold_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="encode.sigma_delta.threshold: expected a threshold > 0, got 0.0"):
        sigma_delta(torch.zeros(3, 1), threshold=0.0)
