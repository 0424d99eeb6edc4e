import torch
from torch import nn

import ranvier.nn as rn
from ranvier.neurons import LIF


def settled(net, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in [*net.named_parameters(), *net.named_buffers()]:
            if "running_var" in name:
                value.uniform_(0.3, 3, generator=generator)
            elif value.is_floating_point():
                value.normal_(std=0.5, generator=generator)
    return net


def build():
    return rn.Sequential(
        {
            "conv": nn.Conv2d(2, 4, 3, padding=1),
            "norm": nn.BatchNorm2d(4),
            "block": rn.Residual(rn.Sequential(rn.RepConv(4, 4), nn.BatchNorm2d(4))),
            "plain": nn.Sequential(nn.Conv2d(4, 3, 1, bias=False), nn.BatchNorm2d(3)),
            "flatten": nn.Flatten(),
            "linear": nn.Linear(3 * 25, 6),
            "last": rn.TdBN(6),
        }
    )


def test_a_simplified_network_gives_the_same_with_fewer_layers_and_the_old_one_stays():
    net = settled(build()).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    small = rn.simplify(net)
    x = torch.randn(3, 2, 2, 5, 5, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(small(x), net.eval()(x), rtol=1e-5, atol=1e-5)
    kinds = [type(m).__name__ for m in small.modules() if not list(m.children())]
    assert kinds == ["Conv2d", "Conv2d", "Conv2d", "Flatten", "Linear"]
    assert [name for name, _ in small.named_children()] == ["conv", "block", "plain", "flatten", "linear"]
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_what_stands_between_layer_and_norm_keeps_them_apart():
    net = settled(rn.Sequential(nn.Conv2d(2, 2, 1), LIF(tau_m=2.0), nn.BatchNorm2d(2))).eval()
    kinds = [type(m).__name__ for m in rn.simplify(net).children()]
    assert kinds == ["Conv2d", "Spiking", "BatchNorm2d"]


def test_norms_without_statistics_and_transposed_convolutions_stay():
    net = nn.Sequential(
        nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2, track_running_stats=False), nn.ConvTranspose2d(2, 2, 1), nn.BatchNorm2d(2)
    )
    assert len(rn.simplify(net)) == 4


def test_two_norms_in_a_row_are_both_merged():
    net = settled(rn.Sequential(rn.RepConv(3, 3), nn.BatchNorm2d(3), nn.BatchNorm2d(3))).eval()
    x = torch.randn(2, 2, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    small = rn.simplify(net)
    assert len(small) == 1
    with torch.no_grad():
        torch.testing.assert_close(small(x), net(x), rtol=1e-5, atol=1e-5)


def test_a_network_that_is_one_repconv_becomes_one_convolution():
    assert type(rn.simplify(rn.RepConv(2, 3))) is nn.Conv2d
