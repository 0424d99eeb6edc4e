"""What holds for every test: property-based cases are drawn alike everywhere, slow tests run only when asked for."""

import os

import pytest
import torch
from hypothesis import HealthCheck, settings

settings.register_profile("house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


def pytest_collection_modifyitems(items):
    if os.environ.get("RANVIER_FULL") == "1":
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: set RANVIER_FULL=1"))


@pytest.fixture
def one_thread():
    """Compute in one thread: for tensors this small, threads that wait for each other are all the work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
