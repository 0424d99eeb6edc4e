import re

import pytest
import torch
from torch import nn

import ranvier.nn as rn
from ranvier.core.errors import ConfigError, ShapeError
from ranvier.neurons import LIF


def test_the_input_is_added():
    x = torch.randn(3, 2, 4)
    assert torch.equal(rn.Residual(nn.Tanh())(x), x.tanh() + x)
    assert torch.equal(rn.Residual(nn.Tanh(), nn.ReLU())(x), x.tanh() + x.relu())


def test_neurons_and_containers_with_time_are_welcome_in_both_places():
    x = torch.full((5, 2, 4), 9.0)
    spikes = rn.Spiking(LIF())(x)
    assert spikes.sum() > 0
    net = rn.Residual(LIF(), nn.Sequential(nn.Identity(), rn.Spiking(LIF())))
    assert torch.equal(net(x), spikes + spikes)
    _, state = rn.run(net, x)
    assert list(state) == ["branch", "shortcut.1"]


def test_nothing_is_broadcast():
    text = "Residual: expected a shortcut of the branch's shape (3, 2, 1), got (3, 2, 4). Give it a shortcut"
    with pytest.raises(ShapeError, match=re.escape(text)):
        rn.Residual(nn.Linear(4, 1))(torch.zeros(3, 2, 4))


def test_what_is_no_layer_is_refused():
    with pytest.raises(
        ConfigError, match='Residual "shortcut": expected a torch module or a neuron description, got 3.'
    ):
        rn.Residual(nn.Identity(), 3)
