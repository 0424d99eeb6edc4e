import numpy as np
import pytest
import torch
from torch import nn

from ranvier.train import average


def net_of(value):
    net = nn.BatchNorm1d(2)
    with torch.no_grad():
        for tensor in net.state_dict().values():
            tensor.fill_(value)
    return net


def test_the_average_is_the_recursion_written_out():
    w = average.start(net_of(1.0))
    expected = 1.0
    for step, value in enumerate([2.0, 5.0, -3.0], start=1):
        average.update(w, net_of(value), decay=0.4, step=step)
        d = min(0.4, (1 + step) / (10 + step))
        expected = d * expected + (1 - d) * value
    for name in ("weight", "bias", "running_mean", "running_var"):
        np.testing.assert_allclose(w[name], expected, rtol=1e-6)
    assert w["num_batches_tracked"] == -3  # a counter is copied


def test_it_is_inside_for_a_while_and_the_own_weights_come_back_even_after_an_error():
    net, w = net_of(1.0), average.start(net_of(7.0))
    with average.inside(net, w):
        assert (net.weight == 7).all()
    assert (net.weight == 1).all()
    with pytest.raises(ZeroDivisionError), average.inside(net, w):
        raise ZeroDivisionError
    assert (net.weight == 1).all()
    assert net.num_batches_tracked == 1


def test_a_start_is_a_copy():
    net = net_of(1.0)
    w = average.start(net)
    average.put(net, average.start(net_of(3.0)))
    assert (net.weight == 3).all()
    assert (w["weight"] == 1).all()
