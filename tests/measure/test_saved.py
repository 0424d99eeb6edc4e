import torch
from torch import nn

from ranvier.measure import saved_bytes


def test_a_linear_layer_keeps_its_input_and_lets_it_go_after_the_backward_pass():
    layer, x = nn.Linear(10, 3), torch.rand(7, 10)
    with saved_bytes(but=layer.parameters()) as saved:
        y = layer(x)
        assert saved.now == 7 * 10 * 4
        y.sum().backward()
        del y
        assert saved.now == 0
        layer(x[:2].clone())
    assert saved.peak == 7 * 10 * 4


def test_memory_that_two_layers_share_counts_once_and_the_peak_is_of_what_is_held_together():
    x = torch.rand(5, 4, requires_grad=True)
    with saved_bytes() as saved:
        y = x.exp()  # keeps its result
        z = y * y  # keeps it twice
        assert saved.now == 5 * 4 * 4
        z = z.sin()  # keeps the square
        assert saved.now == saved.peak == 2 * 5 * 4 * 4


def test_nothing_is_kept_without_gradients():
    with saved_bytes() as saved, torch.no_grad():
        nn.Linear(4, 4)(torch.rand(3, 4))
    assert saved.peak == 0
