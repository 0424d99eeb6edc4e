"""Letters: T time, B batch, N inputs, M outputs, E synapses, K taps."""

import sys

import pytest
import torch
from torch.nn.functional import conv1d

from ranvier.core.errors import ShapeError
from ranvier.nn import Synapses, arrivals


def drawn(num, num_in=6, num_out=5, longest=9, seed=0):
    g = torch.Generator().manual_seed(seed)
    pre, post = (torch.randint(high, (num,), generator=g) for high in (num_in, num_out))
    delay = torch.randint(longest + 1, (num,), generator=g)
    return Synapses(pre, post, torch.randint(-8, 9, (num,), generator=g).double(), delay)


def dense(synapses, num_in=6, num_out=5, longest=9):
    kernel = torch.zeros(num_out, num_in, longest + 1, dtype=torch.float64)
    kernel.index_put_((synapses.post_E, synapses.pre_E, synapses.delay_E), synapses.weight_E, accumulate=True)
    return kernel


@pytest.mark.parametrize("num", [0, 1, 40, 300])
def test_arrivals_of_events_are_the_convolution_of_their_raster_exactly(num):
    synapses = drawn(num)
    x = (torch.rand(30, 2, 6, generator=torch.Generator().manual_seed(1)) < 0.2).double()
    padded = torch.cat([torch.zeros(9, 2, 6, dtype=torch.float64), x]).permute(1, 2, 0)
    expected = conv1d(padded, dense(synapses).flip(-1)).permute(2, 0, 1)
    y = arrivals(x, synapses, 5)
    assert torch.equal(y, expected)
    assert bool(y.abs().sum()) == (num > 0)


def test_spikes_a_few_at_a_time_give_the_same(monkeypatch):
    synapses, x = drawn(300), torch.rand(20, 2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    whole = arrivals(x, synapses, 5)
    monkeypatch.setattr(sys.modules[arrivals.__module__], "_AT_ONCE", 50)
    assert torch.equal(arrivals(x, synapses, 5), whole)


def test_what_was_sent_before_arrives_now():
    synapses = Synapses(*(torch.tensor(v) for v in ([0], [0], [2.0], [3])))
    past = torch.zeros(3, 1, 1)
    past[1] = 1.0
    assert arrivals(torch.zeros(4, 1, 1), synapses, 1, past).flatten().tolist() == [0, 2, 0, 0]


def test_synapses_and_inputs_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"Synapses: expected four tensors \(E,\) of one length"):
        Synapses(torch.zeros(2).long(), torch.zeros(1).long(), torch.zeros(2), torch.zeros(2).long())
    with pytest.raises(ShapeError, match=r"Synapses.delay_E: expected integers >= 0"):
        Synapses(torch.zeros(1).long(), torch.zeros(1).long(), torch.zeros(1), torch.tensor([-1]))
    with pytest.raises(ShapeError, match="arrivals: expected inputs below 3 and outputs below 5"):
        arrivals(torch.zeros(4, 1, 3), drawn(40), 5)
