import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.train.losses import CountCrossEntropy


@pytest.mark.parametrize(("gain", "last"), [(1.0, None), (0.25, 3), (0.5, 99)])
def test_it_is_the_cross_entropy_of_the_counts_written_out(gain, last):
    spikes = (torch.rand(6, 5, 4, generator=torch.Generator().manual_seed(0)) < 0.4).double()
    y = np.array([0, 3, 1, 1, 2])
    counts = gain * spikes.numpy()[-(last or 6) :].sum(0)
    expected = (np.log(np.exp(counts).sum(-1)) - counts[np.arange(5), y]).mean()
    np.testing.assert_allclose(CountCrossEntropy(gain=gain, last=last)(spikes, torch.tensor(y)), expected, rtol=1e-12)


def test_only_the_last_steps_decide():
    spikes = torch.zeros(10, 1, 2)
    spikes[:6, 0, 0] = 1
    spikes[7:, 0, 1] = 1
    assert CountCrossEntropy().decide(spikes).tolist() == [0]
    assert CountCrossEntropy(last=4).decide(spikes).tolist() == [1]


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match=r"^CountCrossEntropy\.gain: expected a number > 0"):
        CountCrossEntropy(gain=0.0)
    with pytest.raises(ConfigError, match=r"^CountCrossEntropy\.last: expected at least one step, or None"):
        CountCrossEntropy(last=0)
