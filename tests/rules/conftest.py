"""What the tests of several rules share: one thread, and gradients by name."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread():
    """Compute in one thread: for tensors this small, threads that wait for each other are all the work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def gradients_of():
    """Give a function that returns the gradients a rule leaves, by the name of the parameter."""

    def gradients(rule, net, inputs, targets, loss):
        net.zero_grad()
        rule.accumulate(net, inputs, targets, loss)
        return {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}

    return gradients
