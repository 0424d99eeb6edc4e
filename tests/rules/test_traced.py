import math

import pytest
import torch

from ranvier.neurons import IF, LIF, PLIF, LeakyIntegrator
from ranvier.nn import Spiking
from ranvier.rules.traced import leak_of


@pytest.mark.parametrize(
    ("neuron", "learn", "expected"),
    [
        (LIF(tau_m=2.0, discretisation="euler"), (), 0.5),
        (LIF(tau_m=3.0, reset_at="before_leak"), (), math.exp(-1 / 3)),
        (LIF(tau_m=3.0), ("tau_m", "v_th"), math.exp(-1 / 3)),
        (LIF(tau_m=torch.full((4, 1, 1), 5.0)), (), math.exp(-1 / 5)),
        (PLIF(), (), 0.5),
        (IF(), (), 1.0),
        (LeakyIntegrator(tau_m=4.0), (), math.exp(-1 / 4)),
    ],
)
def test_the_leak_is_what_the_equation_of_the_neuron_says(neuron, learn, expected):
    assert leak_of(Spiking(neuron, learn=learn), "X") == pytest.approx(expected, rel=1e-6)
