import pytest
import torch
from torch import nn

from ranvier.measure.constants import Constants
from ranvier.measure.energy import energy
from ranvier.measure.operations import operations


def test_energy_is_operations_times_constants():
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    x = torch.tensor([[[0.5, 0.0, 1.0]], [[0.0, 0.0, 2.0]]])  # T = 2, B = 1: 3 non-zero, graded
    counted = operations(net, x)
    found = energy(counted, Constants(mac_pj=10.0, ac_pj=1.0, source="a test"))
    assert found.layers["0"] == 3 * 4 * 10
    assert found.dense == 2 * (12 + 8) * 10
    assert found.ann == (12 + 8) * 10
    assert found.snn == pytest.approx(sum(found.layers.values()))


def test_spikes_cost_additions():
    found = energy(operations(nn.Linear(3, 4), torch.tensor([[[1.0, 0.0, 1.0]]])))
    assert found.snn == pytest.approx(8 * 0.9)
    assert found.ann == pytest.approx(12 * 4.6)
