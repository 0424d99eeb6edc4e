"""Letters: T time, B batch, N inputs, M outputs, S synapses a pair, K taps."""

import numpy as np
import pytest
import torch
from torch import nn

import ranvier.nn as rn
from ranvier.core.errors import ConfigError, ShapeError, StateError
from ranvier.measure import operations
from ranvier.neurons import LIF
from ranvier.train import AdamW


def layer_of(num_in=3, num_out=4, seed=0, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return rn.DelayedLinear(num_in, num_out, **options)


def signal(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def spikes(*shape, p=0.2, seed=1):
    return (torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < p).float()


def late(x, weight, delay):
    """y[t] = sum of w x[t - d], synapse by synapse."""
    T, B, _ = x.shape
    y = np.zeros((T, B, weight.shape[0]))
    for m, n, s in np.ndindex(*weight.shape):
        for t in range(delay[m, n, s], T):
            y[t, :, m] += weight[m, n, s] * x[t - delay[m, n, s], :, n]
    return y


@pytest.mark.parametrize(("max_delay", "synapses", "steps"), [(5, 1, 12), (24, 2, 9), (0, 1, 3), (4, 3, 1)])
@pytest.mark.parametrize("gradient", [False, True])
def test_evaluation_adds_up_late_inputs_by_spikes_or_by_taps(max_delay, synapses, steps, gradient):
    layer = layer_of(max_delay=max_delay, synapses=synapses).double().eval()
    x = signal(steps, 2, 3)
    with torch.set_grad_enabled(gradient):
        y = layer(x)
    delay = np.rint(layer.delay.detach().numpy()).astype(int).reshape(layer.weight.shape)
    np.testing.assert_allclose(y.detach(), late(x.numpy(), layer.weight.detach().numpy(), delay), atol=1e-12)
    assert y.requires_grad == gradient


def test_training_weighs_taps_by_a_gaussian_that_adds_up_to_one():
    layer = layer_of(max_delay=10, synapses=2, width=1.5).double()
    with torch.no_grad():
        layer.delay[:3] = torch.tensor([0.0, 10.0, 3.3])  # ends as well
    w, k = layer.weight.detach().numpy(), np.arange(11)
    d = layer.delay.detach().numpy().reshape(w.shape)
    bell = np.exp(-0.5 * ((k - d[..., None]) / 1.77) ** 2)
    bell /= bell.sum(-1, keepdims=True)
    np.testing.assert_allclose(layer.kernel().detach(), (w[..., None] * bell).sum(2), atol=1e-6)
    np.testing.assert_allclose(layer.kernel().sum(-1).detach(), w.sum(-1), atol=1e-5)
    x = signal(14, 2, 3)
    expected = sum(
        late(x.numpy(), (w * bell[..., tap]).sum(2, keepdims=True), np.full((4, 3, 1), tap)) for tap in range(11)
    )
    np.testing.assert_allclose(layer(x).detach(), expected, atol=1e-5)


def test_gradients_of_weights_and_delays_are_those_of_finite_differences():
    layer = layer_of(2, 2, max_delay=6, synapses=2, width=1.0).double()
    x = signal(9, 1, 2)

    def of(weight, delay):
        return torch.func.functional_call(layer, {"weight": weight, "delay": delay}, (x,)).square()

    assert torch.autograd.gradcheck(of, (layer.weight.detach().requires_grad_(), layer.delay.detach().requires_grad_()))


def test_a_delay_beyond_an_end_is_led_back_only():
    layer = layer_of(1, 1, max_delay=4, width=1.0)
    x = torch.zeros(6, 1, 1)
    x[0] = 1.0
    for start, target, moves in ((-1.0, 0, False), (5.0, 4, False), (-1.0, 2, True), (5.0, 2, True)):
        with torch.no_grad():
            layer.delay.fill_(start)
            layer.weight.fill_(1.0)
        layer.zero_grad()
        (-layer(x)[target]).sum().backward()
        assert bool(layer.delay.grad != 0) == moves, (start, target)


def recovered(true, first_width):
    """Train one synapse to delay as much as its teacher. Returns: the delay it ends with."""
    layer = layer_of(1, 1, max_delay=24, width=first_width)
    with torch.no_grad():
        layer.delay.fill_(12.0)
        layer.weight.fill_(0.5)
    x = spikes(200, 8, 1, p=0.1)
    target = torch.cat([torch.zeros(true, 8, 1), x])[:200]
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.1)
    for step in range(300):
        layer.width.fill_(first_width * (0.23 / first_width) ** min(step / 180, 1))
        optimiser.zero_grad()
        (layer(x) - target).square().mean().backward()
        optimiser.step()
    return int(layer.delays())


@pytest.mark.parametrize("true", [0, 5, 11, 24])
def test_a_delay_is_found_if_the_width_shrinks(true):
    assert recovered(true, 12.0) == true


@pytest.mark.parametrize("true", [0, 24])
def test_a_far_delay_is_not_found_by_a_narrow_gaussian(true):
    assert 10 <= recovered(true, 0.23) <= 14


def test_fixed_delays_are_read_between_two_taps_and_not_learned():
    layer = layer_of(1, 1, max_delay=4, learn=False)
    layer.delay.fill_(1.25)
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    weight = layer.weight.item()
    assert layer.kernel().flatten().tolist() == pytest.approx([0, 0.75 * weight, 0.25 * weight, 0, 0])


def test_parts_give_the_bits_of_the_whole_and_streams_go_on():
    layer = layer_of(5, 6, max_delay=7, synapses=2).eval()
    x = spikes(20, 3, 5) * torch.randn(20, 3, 5, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        whole, end = layer.run(x)
        state, rows = None, []
        for part in x.split((1, 6, 2, 11)):
            y, state = layer.run(part, state)
            rows.append(y)
        assert torch.equal(torch.cat(rows), whole)
        assert torch.equal(state.past, end.past)
        assert whole.abs().sum() > 0
        stream = rn.Stream(rn.Sequential(layer), batch=3)
        assert torch.equal(torch.stack([stream(frame) for frame in x]), whole)


def test_a_state_of_another_shape_is_refused_and_a_run_changes_nothing():
    layer = layer_of(2, 3, max_delay=4).eval()
    x = spikes(6, 2, 2)
    _, state = layer.run(x)
    held = (x.clone(), state.past.clone())
    assert state.past.shape == layer.state_shapes(x)[0] == (2, 4, 2)
    assert torch.equal(layer.run(x, state)[0], layer.run(x, state)[0])
    assert torch.equal(x, held[0])
    assert torch.equal(state.past, held[1])
    with pytest.raises(StateError, match=r"expected state.past of shape \(2, 4, 2\) for this input"):
        layer.run(x, layer.State(state.past[:1]))
    empty, _ = layer.run(x[:, :0])
    assert empty.shape == (6, 0, 3)


@pytest.mark.filterwarnings("ignore:.*should not be instantiated")  # torch 2.13 warns of how dynamo itself does it
def test_it_works_between_other_layers_in_one_compiled_graph():
    net = rn.Sequential(
        layer_of(3, 5, max_delay=6), nn.BatchNorm1d(5), LIF(tau_m=2.0, v_th=0.1), layer_of(5, 2, max_delay=6)
    )
    x = spikes(12, 4, 3, p=0.5)
    torch._dynamo.reset()
    for training in (True, False):
        net.train(training)
        y = net(x)
        assert y.shape == (12, 4, 2)
        assert y.abs().sum() > 0
        torch.testing.assert_close(torch.compile(net, fullgraph=True, backend="aot_eager")(x), y)


def test_a_delay_trains_in_16_bits():
    layer = layer_of(3, 4, max_delay=5)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(spikes(10, 2, 3))
    y.float().square().sum().backward()
    assert y.dtype == torch.bfloat16
    assert layer.delay.grad.abs().sum() > 0


def test_operations_are_counted_by_spikes_and_synapses():
    layer = layer_of(3, 4, max_delay=5, synapses=2).eval()
    with torch.no_grad():
        layer.weight[0, 1] = 0.0  # the two synapses of a pair
    x = torch.zeros(6, 2, 3)
    x[0, 0, 0] = x[3, 1, 1] = 1.0
    counted = operations(rn.Sequential(layer), x)
    assert (counted.acs, counted.macs) == ((8 + 6) / 2, 0)
    assert counted.dense == 6 * 3 * 4 * 2
    assert counted.uncounted == ()


def test_weight_decay_leaves_delays_alone():
    layer = layer_of(max_delay=5)
    optimiser = AdamW(lr=0.1, weight_decay=0.5).build(layer.parameters())
    held = layer.delay.detach().clone()
    for p in layer.parameters():
        p.grad = torch.zeros_like(p)
    optimiser.step()
    assert torch.equal(layer.delay, held)


def test_numbers_and_inputs_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="DelayedLinear.synapses: expected at least 1, got 0"):
        layer_of(max_delay=3, synapses=0)
    with pytest.raises(ConfigError, match="DelayedLinear.max_delay: expected at least 0 steps, got -1"):
        layer_of(max_delay=-1)
    with pytest.raises(ConfigError, match="DelayedLinear.width: expected a number >= 0"):
        layer_of(max_delay=1, width=-1.0)
    with pytest.raises(ShapeError, match=r"DelayedLinear: expected an input \(T, B, 3\), got \(5, 1, 4\)"):
        layer_of(max_delay=3)(torch.zeros(5, 1, 4))


def test_the_network_of_the_paper_has_its_number_of_parameters():
    hidden = [layer_of(140, 256, max_delay=24), layer_of(256, 256, max_delay=24)]
    last = layer_of(256, 20, max_delay=24)
    assert [sum(p.numel() for p in layer.parameters()) for layer in (*hidden, last)] == [2 * 35840, 2 * 65536, 2 * 5120]
    assert sum(layer.weight.numel() for layer in (*hidden, last)) == 106_496
