import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.nn import decode
from ranvier.nn.encode import phase


def test_digits_are_those_of_the_binary_fraction():
    assert phase(torch.tensor(0.8125), num_phases=4).tolist() == [1, 1, 0, 1]
    assert phase(torch.tensor(0.5), num_phases=3, num_steps=7).tolist() == [1, 0, 0, 1, 0, 0, 1]
    assert phase(torch.tensor(1.0), num_phases=3).tolist() == [1, 1, 1]


@pytest.mark.parametrize("k", [1, 4, 8, 24])
def test_decoding_gives_the_value_back_to_one_digit(seeded, k):
    x = torch.rand(200, 3, generator=seeded, dtype=torch.float64)
    back = decode.phase(phase(x, num_phases=k, num_steps=2 * k), num_phases=k)
    error = x - back
    assert error.min() >= 0
    assert error.max() < 2.0**-k
    assert error.max() > 2.0**-k / 2


@pytest.mark.parametrize("k", [0, 25])
def test_a_number_of_phases_that_makes_no_sense_is_refused(k):
    with pytest.raises(ConfigError, match="encode.phase.num_phases: expected 1 to 24 phases"):
        phase(torch.tensor(0.5), num_phases=k, num_steps=3)
