"""What holds for the tests of every system."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread():
    """Compute in one thread: for networks this small, threads that wait for each other are all the work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
