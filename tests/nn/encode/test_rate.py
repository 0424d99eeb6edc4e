import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.nn.encode import poisson, rate


def test_the_mean_is_the_value_and_steps_are_independent(seeded):
    x = torch.tensor([0.0, 0.2, 0.9, 1.0])
    s = rate(x, num_steps=20000, generator=seeded)
    assert set(s.unique().tolist()) == {0.0, 1.0}
    sigma = (x * (1 - x) / 20000).sqrt()
    assert ((s.mean(0) - x).abs() <= 4 * sigma).all()
    centred = s - s.mean(0)
    assert (centred[1:] * centred[:-1]).mean(0).abs().max() < 4 * 0.25 / 20000**0.5


def test_the_same_generator_gives_the_same_spikes():
    x = torch.full((3, 4), 0.5)
    one, two, other = (rate(x, num_steps=9, generator=torch.Generator().manual_seed(n)) for n in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_poisson_counts_have_mean_and_variance_of_the_rate(seeded):
    s = poisson(torch.tensor([0.0, 40.0, 2000.0]), num_steps=20000, dt=0.5, generator=seeded)
    expected = torch.tensor([0.0, 0.02, 1.0])
    assert ((s.mean(0) - expected).abs() <= 4 * (expected / 20000).sqrt()).all()
    torch.testing.assert_close(s.var(0), expected, rtol=0.1, atol=0)


@pytest.mark.parametrize("bad", [-1.0, float("inf"), float("nan")])
def test_rates_that_make_no_sense_are_refused(bad):
    with pytest.raises(ConfigError, match="encode.poisson: expected finite rates >= 0 Hz, got values in"):
        poisson(torch.tensor([bad]), num_steps=1)
