"""What holds for every test: its random numbers are its own, property-based cases are drawn alike everywhere, slow
tests run only when asked for.
"""

import os
import random
from zlib import crc32

import numpy as np
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


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Seed by the test's name, so that neither its neighbours nor the worker it lands on change what it draws.

    RANVIER_TEST_SEED=1, 2, ... draws other numbers: a test that fails under any of them hangs on luck.
    """
    seed = crc32(item.nodeid.encode()) ^ int(os.environ.get("RANVIER_TEST_SEED", "0"))
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (the tests draw from generators of their own; libraries may not)
    random.seed(seed)


@pytest.fixture
def one_thread():
    """Compute in one thread: for tensors this small, threads that wait for each other are all the work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
