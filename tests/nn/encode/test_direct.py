import torch

from ranvier.nn.encode import direct


def test_every_step_is_the_value_without_a_copy():
    x = torch.randn(2, 3)
    y = direct(x, num_steps=4)
    assert torch.equal(y, torch.stack([x] * 4))
    assert y.data_ptr() == x.data_ptr()
