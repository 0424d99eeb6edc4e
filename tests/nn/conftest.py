"""What the tests of this room share."""

from pathlib import Path

import pytest
import torch
from torch import nn

import ranvier.nn as rn
from ranvier.neurons import LIF


def pytest_collection_modifyitems(items):
    # Without the compiled kernel the same tests run on the slow executor, which says so.
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore:The slow executor"))


@pytest.fixture
def seeded():
    return torch.Generator().manual_seed(7)


@pytest.fixture
def exact():
    """Make what a network holds large and multiples of 1/8: it fires, and sums are exact in any order and any chunk."""

    def change(net):
        with torch.no_grad():
            for p in net.parameters():
                p.copy_((p * 24).round() / 8)
        return net

    return change


@pytest.fixture
def small(exact, seeded):
    """A network with state at three depths, and an input that makes it fire; all sums are exact."""
    with torch.random.fork_rng():
        torch.random.default_generator.set_state(seeded.get_state())
        net = rn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1), LIF(tau_m=2.0), nn.MaxPool2d(2),
            rn.Residual(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), rn.Spiking(LIF(tau_m=3.0, v_th=0.25)))),
            nn.Flatten(), nn.Linear(4 * 4 * 4, 5), rn.Recurrent(LIF(tau_m=4.0, v_th=0.5), 5),
        ).eval()  # fmt: skip
    x = torch.randint(-8, 9, (9, 3, 2, 8, 8), generator=seeded) / 4.0
    return exact(net), x
