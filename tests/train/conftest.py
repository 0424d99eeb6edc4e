"""A small network, data it can learn, and a trainer of both."""

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from ranvier.core.reset import Subtract
from ranvier.neurons import LIF
from ranvier.nn import Sequential
from ranvier.nn.spiking import Spiking
from ranvier.rules import BPTT
from ranvier.train import Saving, Train, Trainer
from ranvier.train.losses import RateCrossEntropy


@dataclass(frozen=True)
class Blobs:
    """Three classes; each lights other inputs. Batches depend on the seed, the epoch and their number alone."""

    num_batches: int = 6
    size: int = 8
    seed: int = 0
    faulty: int = -1  # the batch of epoch 1 that holds a NaN

    def batches(self, epoch, start=0):
        for number in range(start, self.num_batches):
            g = torch.Generator().manual_seed(1_000_000 * self.seed + 1000 * epoch + number)
            targets = torch.randint(0, 3, (self.size,), generator=g)
            inputs = torch.rand(5, self.size, 12, generator=g)
            inputs[:, torch.arange(self.size), 4 * targets] += 2.0
            if epoch == 1 and number == self.faulty:
                inputs[0, 0, 0] = torch.nan
            yield inputs, targets


def build(seed=0, *, dropout=0.2, norm=True):
    """Build the same network for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [nn.Linear(12, 16), nn.BatchNorm1d(16)] if norm else [nn.Linear(12, 16)]
        neuron = LIF(tau_m=2.0, v_th=0.5, decay_input=False, reset=Subtract())
        spiking = Spiking(neuron, executor="reference", learn=("tau_m",))
        return Sequential(*layers, spiking, nn.Dropout(dropout), nn.Linear(16, 3))


def trainer(net=None, **changes):
    """Make a trainer; fields of ``Train`` may be given beside those of ``Trainer``."""
    settings = {
        name: changes.pop(name) for name in list(changes) if name in Train.__dataclass_fields__ and name != "train"
    }
    config = replace(Train(epochs=3, saving=Saving(steps=1, seconds=None, log_steps=1)), **settings)
    parts = {
        "net": build() if net is None else net,
        "rule": BPTT(),
        "loss": RateCrossEntropy(),
        "train": Blobs(),
        "test": Blobs(num_batches=2, seed=9),
        "config": config,
    }
    return Trainer(**{**parts, **changes})


@pytest.fixture
def folder(tmp_path):
    """Give a folder in memory where there is one: on a busy disk, bringing every step to it takes minutes."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@pytest.fixture
def make():
    """Give the builders of this file, as attributes."""

    class Make:
        blobs = staticmethod(Blobs)
        net = staticmethod(build)
        trainer = staticmethod(trainer)

    return Make


@pytest.fixture(autouse=True)
def _one_thread(one_thread):
    """All of them in one thread."""
