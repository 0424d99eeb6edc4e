"""Against gradients written out. Axes: B batch, N features in, M features out."""

import numpy as np
import pytest
import torch
from torch import nn

from ranvier.core.errors import ConfigError
from ranvier.core.reset import Subtract
from ranvier.neurons import LIF
from ranvier.nn import AlignedConv2d, AlignedLinear, Sequential
from ranvier.rules import BPTT, OTTT, SLTT
from ranvier.train.losses import TET


def drawn(make, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


@pytest.mark.parametrize("back", ["random", "sign"])
def test_a_linear_layer_answers_by_its_weights_and_sends_errors_back_by_others(back):
    layer = drawn(lambda: AlignedLinear(5, 3, back=back)).double()
    x = torch.randn(2, 4, 5, dtype=torch.float64, requires_grad=True)
    delta = torch.randn(2, 4, 3, dtype=torch.float64)
    y = layer(x)
    y.backward(delta)
    w = layer.weight.detach().numpy()
    b = layer.back_weight.numpy() if back == "random" else np.sign(w) / np.sqrt(5)
    assert np.abs(b - w).max() > 0.05
    np.testing.assert_allclose(y.detach().numpy(), x.detach().numpy() @ w.T + layer.bias.detach().numpy())
    np.testing.assert_allclose(x.grad.numpy(), delta.numpy() @ b)
    expected = np.einsum("tbm,tbn->mn", delta.numpy(), x.detach().numpy())
    np.testing.assert_allclose(layer.weight.grad.numpy(), expected)
    np.testing.assert_allclose(layer.bias.grad.numpy(), delta.numpy().sum((0, 1)))


@pytest.mark.parametrize("back", ["random", "sign"])
def test_a_convolution_does_the_same(back):
    layer = drawn(lambda: AlignedConv2d(2, 3, 3, stride=2, padding=1, back=back)).double()
    x = torch.randn(4, 2, 6, 5, dtype=torch.float64, requires_grad=True)
    y = layer(x)
    delta = torch.randn_like(y)
    y.backward(delta)
    torch.testing.assert_close(y, nn.functional.conv2d(x, layer.weight, layer.bias, 2, 1))
    other = layer.back_weight if back == "random" else layer.weight.detach().sign() / 18**0.5
    back_x = nn.functional.conv_transpose2d(delta, other, None, 2, 1, output_padding=(1, 0))
    torch.testing.assert_close(x.grad, back_x)
    plain = nn.Conv2d(2, 3, 3, stride=2, padding=1).double()
    plain.load_state_dict({name: value for name, value in layer.state_dict().items() if name != "back_weight"})
    plain(x.detach()).backward(delta)
    torch.testing.assert_close(layer.weight.grad, plain.weight.grad)
    torch.testing.assert_close(layer.bias.grad, plain.bias.grad)


def test_a_single_vector_is_taken_as_by_torch_s_own_layer():
    layer = drawn(lambda: AlignedLinear(5, 3, back="sign"))
    x = torch.randn(5, requires_grad=True)
    layer(x).sum().backward()
    torch.testing.assert_close(x.grad, layer.weight.detach().sign().sum(0) / 5**0.5)
    torch.testing.assert_close(layer.weight.grad, x.detach().expand(3, 5))


@pytest.mark.parametrize(
    ("make", "shape"),
    [(lambda: AlignedLinear(6, 3), (4, 6)), (lambda: AlignedConv2d(2, 3, 3, padding=1), (4, 2, 6, 5))],
    ids=["linear", "convolution"],
)
def test_under_autocast_it_computes_in_16_bits_there_and_back(make, shape):
    layer = drawn(make)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1), requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    delta = torch.randn(y.shape, generator=torch.Generator().manual_seed(2))
    y.backward(delta.bfloat16())
    assert y.dtype == torch.bfloat16
    halved = [x.grad, layer.weight.grad, layer.bias.grad]
    x.grad = layer.weight.grad = layer.bias.grad = None
    layer(x).backward(delta)
    for half, whole in zip(halved, (x.grad, layer.weight.grad, layer.bias.grad), strict=True):
        assert half.dtype == torch.float32
        assert (half - whole).abs().max() < 0.02 * whole.abs().max()


@pytest.mark.parametrize("rule", [BPTT(), SLTT(), OTTT()], ids=repr)
def test_the_weights_behind_learn_as_ever_under_any_rule_and_those_before_do_not(rule):
    neuron = LIF(tau_m=2.0, decay_input=False, discretisation="euler", reset=Subtract())
    aligned = drawn(lambda: Sequential(nn.Linear(6, 8), neuron, AlignedLinear(8, 3, bias=False))).double()
    plain = drawn(lambda: Sequential(nn.Linear(6, 8), neuron, nn.Linear(8, 3, bias=False))).double()
    plain.load_state_dict({name: v for name, v in aligned.state_dict().items() if "back" not in name})
    x_TBN, y_B = torch.rand(4, 5, 6, dtype=torch.float64) * 6, torch.arange(5) % 3
    for net in (aligned, plain):
        rule.accumulate(net, x_TBN, y_B, TET())
    torch.testing.assert_close(aligned[2].weight.grad, plain[2].weight.grad)
    assert (aligned[0].weight.grad - plain[0].weight.grad).abs().max() > 1e-3


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # of torch, by itself
def test_it_compiles_to_one_graph():
    layer = drawn(lambda: AlignedLinear(5, 3))
    x = torch.randn(4, 5)
    torch.testing.assert_close(torch.compile(layer, fullgraph=True, backend="eager")(x), layer(x))


def test_impossible_options_are_refused():
    with pytest.raises(ConfigError) as caught:
        AlignedLinear(2, 2, back="own")
    assert 'back: expected "random" or "sign", got \'own\'.' in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        AlignedConv2d(2, 2, 3, padding="same")
    assert "AlignedConv2d: expected a number of zeros around, and one group" in str(caught.value)
