import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.nn import decode
from ranvier.nn.encode import population, receptive_fields


def test_fields_are_where_and_as_wide_as_the_paper_says():
    x = np.linspace(-1, 3, 50)
    mu = -1 + (2 * np.arange(1, 7) - 3) / 2 * 4 / 4
    sigma = 4 / 4 / 1.5
    expected = np.exp(-((x[:, None] - mu) ** 2) / (2 * sigma**2))
    got = receptive_fields(torch.tensor(x), num_neurons=6, low=-1.0, high=3.0)
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_the_best_fit_fires_first_and_the_misfits_not_at_all():
    s = population(torch.tensor([0.5]), num_neurons=9, num_steps=20)  # centre 4 is at 0.5
    when = decode.first_spike(s)[0]
    assert when.tolist() == when.flip(0).tolist()
    assert when.argmin().item() == 4
    assert when[4] == 0
    assert when[0] == 20


def test_decoding_gives_the_value_back_to_a_tenth_of_the_spacing():
    x = torch.linspace(0.15, 0.85, 200, dtype=torch.float64).unsqueeze(0)
    back = decode.population(population(x, num_neurons=12, num_steps=100))
    assert (back - x).abs().max() < 0.1 / 10
    assert (back - x).abs().max() > 0


@pytest.mark.parametrize(
    ("bad", "text"),
    [({"num_neurons": 2}, "num_neurons: expected at least 3"), ({"num_neurons": 3, "low": 1.0}, "expected low < high")],
)
def test_fields_that_make_no_sense_are_refused(bad, text):
    with pytest.raises(ConfigError, match=text):
        receptive_fields(torch.tensor([0.5]), **bad)
