import numpy as np
import pytest
import torch

from ranvier.data import DeviceEvents, Events, passes


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


@pytest.fixture(params=["compiled", "plain"])
def either_form(request, monkeypatch):
    """Run a test twice: on the compiled passes, and as if the extension were not there."""
    if request.param == "plain":
        monkeypatch.setattr(passes, "native", lambda: None)
    elif passes.native() is None:
        pytest.skip("the extension is not built")
