"""The tempotron's loss: its gradient is the paper's rule, and the rule learns."""

import numpy as np
import pytest
import torch
from torch import nn

from ranvier.core.errors import ConfigError
from ranvier.neurons import Tempotron
from ranvier.nn import Sequential, Spiking
from ranvier.train.losses import TempotronLoss


def latencies(count, inputs, steps, seed):
    """Draw patterns in which every input fires once."""
    times = torch.randint(0, steps, (count, inputs), generator=torch.Generator().manual_seed(seed))
    return nn.functional.one_hot(times, steps).permute(2, 0, 1).double()


def network(inputs, units, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = Sequential(nn.Linear(inputs, units, bias=False), Spiking(Tempotron())).double()
        nn.init.normal_(net[0].weight, std=0.1)
    return net


def test_its_gradient_is_the_kernel_of_each_spike_at_the_highest_moment_of_wrong_units():
    net, x = network(6, 3), latencies(4, 6, 60, seed=2)
    targets = torch.tensor([0, 2, 1, 0])
    with torch.no_grad():
        net[0].weight.mul_(8)  # so that some fire and some do not
    outputs = net(x)
    TempotronLoss()(outputs, targets).backward()
    neuron, expected, wrong = Tempotron(), np.zeros((3, 6)), 0
    for b in range(4):
        for k in range(3):
            v = outputs[:, b, k].detach().numpy()
            should, t_max = int(targets[b]) == k, int(v.argmax())
            if (v.max() >= 1) == should:
                continue
            wrong += 1
            for n in range(6):
                lag = t_max - int(x[:, b, n].argmax())
                if lag >= 0:
                    kernel = neuron.v_0 * (np.exp(-lag / neuron.tau_m) - np.exp(-lag / neuron.tau_syn))
                    expected[k, n] += (-1 if should else 1) * kernel / 4
    assert 2 < wrong < 12
    np.testing.assert_allclose(net[0].weight.grad.numpy(), expected, atol=1e-12)


def test_ten_patterns_a_class_of_fifty_inputs_are_learned_without_error():
    net, x = network(50, 1), latencies(20, 50, 500, seed=5)
    fires = torch.tensor([True] * 10 + [False] * 10)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    sign = torch.where(fires, 1.0, -1.0).double()
    for _ in range(200):
        peak = net(x).amax(0)[:, 0]
        if bool(((peak >= 1) == fires).all()):
            break
        optimiser.zero_grad()
        (sign * (1 - peak)).clamp(min=0).sum().backward()
        optimiser.step()
    else:
        raise AssertionError(f"errors are left: {((peak >= 1) != fires).sum()}")


def test_right_units_cost_nothing_and_the_highest_decides():
    outputs = torch.zeros(3, 2, 2)
    outputs[1, 0] = torch.tensor([1.5, 0.2])
    outputs[2, 1] = torch.tensor([0.4, 0.9])
    loss = TempotronLoss()
    assert loss(outputs, torch.tensor([0, 1])).item() == pytest.approx(0.1 / 2)
    assert loss.decide(outputs).tolist() == [0, 1]


def test_a_threshold_that_is_not_positive_is_refused():
    with pytest.raises(ConfigError, match=r"^TempotronLoss\.v_th: expected a number > 0"):
        TempotronLoss(v_th=0.0)
