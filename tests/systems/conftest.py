"""What holds for the tests of every system."""

import pytest


@pytest.fixture(autouse=True)
def _one_thread(one_thread):
    """All of them in one thread."""
