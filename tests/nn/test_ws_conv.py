import torch
from torch import nn

from ranvier.nn import Scale, Sequential, WSConv2d


def test_each_filter_has_mean_zero_and_as_much_power_as_its_gain_says():
    layer = WSConv2d(5, 4, 3, padding=1)
    with torch.no_grad():
        layer.weight.add_(0.3)
        layer.gain.copy_(torch.tensor([1.0, 2.0, 0.5, 1.0]).view(4, 1, 1, 1))
    filters = layer.standardised().flatten(1)
    torch.testing.assert_close(filters.mean(1), torch.zeros(4), atol=1e-6, rtol=0)
    # sum of squares = gain^2 var fan_in / (var fan_in + eps)
    var = layer.weight.detach().flatten(1).var(1, correction=0) * 45
    expected = torch.tensor([1.0, 4.0, 0.25, 1.0]) * var / (var + 1e-4)
    torch.testing.assert_close(filters.square().sum(1), expected, rtol=1e-5, atol=0)


def test_it_is_a_plain_convolution_with_these_weights():
    layer = WSConv2d(3, 6, 3, stride=2, padding=1, bias=True).double()
    plain = nn.Conv2d(3, 6, 3, stride=2, padding=1).double()
    w = layer.weight.detach()
    std = (w.var((1, 2, 3), correction=0, keepdim=True) * 27 + 1e-4).sqrt()
    plain.load_state_dict({"weight": (w - w.mean((1, 2, 3), keepdim=True)) / std, "bias": layer.bias.detach()})
    x = torch.rand(4, 2, 3, 9, 7, dtype=torch.float64)
    torch.testing.assert_close(Sequential(layer)(x), Sequential(plain)(x), rtol=1e-12, atol=1e-12)
    Sequential(layer)(x).square().sum().backward()
    assert layer.gain.grad.abs().min() > 0
    # A standardised filter does not notice the scale of its weights, so the gradient is (but for eps) at right angles.
    along = (layer.weight.grad * layer.weight).flatten(1).sum(1) / layer.weight.grad.flatten(1).norm(dim=1)
    assert along.abs().max() < 1e-2


def test_scale_multiplies():
    assert torch.equal(Scale(2.74)(torch.tensor([0.0, 1.0])), torch.tensor([0.0, 2.74]))
