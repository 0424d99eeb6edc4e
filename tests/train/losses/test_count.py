import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.train.losses import CountMSE


@pytest.mark.parametrize(("correct", "wrong"), [(1.0, 0.0), (0.8, 0.1)])
def test_it_is_the_squared_error_of_the_rates_written_out(correct, wrong):
    s = (torch.rand(9, 5, 4, generator=torch.Generator().manual_seed(0)) < 0.3).double()
    y = np.array([0, 3, 1, 1, 2])
    wanted = np.full((5, 4), wrong)
    wanted[np.arange(5), y] = correct
    expected = ((s.numpy().sum(0) / 9 - wanted) ** 2).mean()
    got = CountMSE(correct=correct, wrong=wrong)(s, torch.tensor(y, dtype=torch.int32))
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_the_most_active_is_the_decision():
    s = torch.zeros(4, 1, 3)
    s[:3, 0, 1] = s[0, 0, 2] = 1
    assert CountMSE().decide(s).tolist() == [1]


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match=r"^CountMSE\.correct: expected a rate in \[0, 1\]"):
        CountMSE(correct=2.0)
    with pytest.raises(ConfigError, match=r"^CountMSE\.wrong: expected a rate in \[0, correct\)"):
        CountMSE(correct=0.5, wrong=0.5)
