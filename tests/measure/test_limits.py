import torch

from ranvier.measure import limits


def test_the_limits_are_rates_that_a_computer_can_have():
    assert 1e8 < limits.copy_bandwidth(rounds=2) < 1e13
    assert 1e8 < limits.product_rate(size=256, rounds=2) < 1e15
    assert 1e7 < limits.product_rate(torch.bfloat16, size=256, rounds=2) < 1e15
