"""What the tests of several rules share: one thread, and gradients by name."""

import pytest


@pytest.fixture(autouse=True)
def _one_thread(one_thread):
    """All of them in one thread."""


@pytest.fixture
def gradients_of():
    """Give a function that returns the gradients a rule leaves, by the name of the parameter."""

    def gradients(rule, net, inputs, targets, loss):
        net.zero_grad()
        rule.accumulate(net, inputs, targets, loss)
        return {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}

    return gradients
