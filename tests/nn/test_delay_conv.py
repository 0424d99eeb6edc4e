"""Letters: T time, B batch, C channels in, M channels out, K delays, H W space."""

import numpy as np
import pytest
import torch

import ranvier.nn as rn
from ranvier.core.errors import ConfigError, ShapeError, StateError
from ranvier.measure import operations


def layer_of(num_in=2, num_out=3, seed=0, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = rn.DelayConv2d(num_in, num_out, **options).double()
        torch.nn.init.normal_(layer.bias)
    return layer


def events(*shape, p=0.3, seed=1):
    return (torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < p).double()


def summed(x, weight):
    """Add up synapse by synapse."""
    T, B, _, H, W = x.shape
    M, C, K, height, width = weight.shape
    y = np.zeros((T, B, M, H - height + 1, W - width + 1))
    for m, c, k, i, j in np.ndindex(M, C, K, height, width):
        for t in range(k, T):
            y[t, :, m] += weight[m, c, k, i, j] * x[t - k, :, c, i : H - height + i + 1, j : W - width + j + 1]
    return y


@pytest.mark.parametrize(("delays", "size", "steps"), [(4, 3, 6), (5, 1, 2), (1, 3, 3)])
@pytest.mark.parametrize("swap", [False, True])
def test_it_adds_up_what_each_synapse_heard_that_long_ago(delays, size, steps, swap):
    layer = layer_of(delays=delays, size=size, swap=swap)
    x = events(steps, 2, 2, 6, 5)
    w = layer.weight.detach().numpy()
    expected = summed(x.numpy(), w)
    if swap:
        expected = np.maximum(expected, summed(x.flip(2).numpy(), w))
    expected += layer.bias.detach().numpy()[:, None, None]
    np.testing.assert_allclose(layer(x).detach(), expected, atol=1e-12)


def test_it_is_the_event_form_of_synapses_in_a_list():
    layer = layer_of(delays=4, size=3)
    x = events(7, 1, 2, 5, 6)
    pre, post, weight, delay = [], [], [], []
    for m, of, k, i, j in np.ndindex(3, 2, 4, 3, 3):
        for y, z in np.ndindex(3, 4):
            pre.append((of * 5 + y + i) * 6 + z + j)
            post.append((m * 3 + y) * 4 + z)
            weight.append(layer.weight[m, of, k, i, j].item())
            delay.append(k)
    synapses = rn.Synapses(*(torch.tensor(v) for v in (pre, post, weight, delay)))
    assert len(synapses) == 3 * 2 * 4 * 9 * 12
    late = rn.arrivals(x.flatten(2), synapses, 36).view(7, 1, 3, 3, 4) + layer.bias.detach().view(-1, 1, 1)
    torch.testing.assert_close(late, layer(x).detach(), atol=1e-12, rtol=0)


def test_a_stream_gives_what_the_whole_gives():
    layer = layer_of(delays=4, size=3, swap=True)
    x = events(9, 2, 2, 5, 5)
    with torch.no_grad():
        stream = rn.Stream(rn.Sequential(layer), batch=2)
        torch.testing.assert_close(torch.stack([stream(frame) for frame in x]), layer(x))
    assert layer.run(x)[1].past.shape == layer.state_shapes(x)[0]


def test_gradients_are_those_of_finite_differences_and_compiling_changes_nothing():
    layer = layer_of(delays=2, size=2, swap=True)
    x = events(4, 1, 2, 3, 3)

    def of(weight, bias):
        return torch.func.functional_call(layer, {"weight": weight, "bias": bias}, (x,))

    assert torch.autograd.gradcheck(of, (layer.weight.detach().requires_grad_(), layer.bias.detach().requires_grad_()))
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(layer, fullgraph=True, backend="aot_eager")(x), layer(x))


@pytest.mark.parametrize("swap", [False, True])
def test_operations_are_counted_synapse_by_synapse(swap):
    layer = layer_of(delays=3, size=3, swap=swap)
    with torch.no_grad():
        layer.weight[0, 0, 1] = 0.0
    x = events(5, 2, 2, 4, 5)
    met = summed(x.numpy(), (layer.weight != 0).double().numpy()).sum()
    dense = summed(np.ones((5, 2, 2, 4, 5)), np.ones((3, 2, 3, 3, 3))).sum()
    if swap:
        met += summed(x.flip(2).numpy(), (layer.weight != 0).double().numpy()).sum()
        dense *= 2
    counted = operations(rn.Sequential(layer), x)
    assert (counted.acs, counted.macs) == (met / 2, 0)
    assert counted.dense == dense / 2
    assert counted.uncounted == ()


def test_numbers_inputs_and_states_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="DelayConv2d.delays: expected at least 1, got 0"):
        layer_of(delays=0, size=3)
    with pytest.raises(ConfigError, match="DelayConv2d.swap: expected 2 in_channels with it, got 1"):
        layer_of(1, delays=2, size=3, swap=True)
    layer = layer_of(delays=3, size=3)
    with pytest.raises(ShapeError, match=r"DelayConv2d: expected an input \(T, B, 2, H, W\), H and W at least 3"):
        layer(events(2, 1, 2, 2, 4))
    x = events(2, 2, 2, 4, 4)
    with pytest.raises(StateError, match="expected state.past of shape"):
        layer.run(x, layer.State(layer.run(x)[1].past[:1]))
