import numpy as np
import pytest
import torch

from ranvier.data import DeviceEvents, Events


@pytest.fixture
def recording():
    """Make a random recording; ties in time, and pixels that fire often, are likely."""

    def make(num=300, *, seed=0, last=50_000, size=(5, 7)):
        r = np.random.default_rng(seed)
        t = np.sort(r.integers(0, last, num))
        return Events.of(t, r.integers(0, size[1], num), r.integers(0, size[0], num), r.integers(0, 2, num), size=size)

    return make


@pytest.fixture
def same_on_device():
    """Check that events on a device give what an event array gives, and that calling twice gives the same."""

    def check(transform, events):
        want = transform(events)
        assert want.dtype == torch.float32
        assert torch.equal(transform(events), want)
        assert torch.equal(transform(DeviceEvents.of(events, "cpu")), want)
        return want

    return check
