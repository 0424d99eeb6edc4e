"""Compiled networks against the networks they were compiled from. Axes: T time, B batch."""

import pytest
import torch
from torch import nn

import ranvier as rv
import ranvier.nn as rn
from ranvier.core import extension
from ranvier.core.errors import ConfigError, DtypeError, NonFiniteError, ShapeError, StateError, UnknownNameError
from ranvier.kernels.sparse import native
from ranvier.neurons import ALIF, LIF, PLIF, LeakyIntegrator
from ranvier.nn.inference import compile_for_inference

needs_extension = pytest.mark.skipif(native.absence() is not None, reason="the C++ extension is not built")
FORMS = [1.0, 0.0, 0.2]  # never dense, always dense, either


def seeded(make, seed=7):
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        return make()


def coarse(net, steps=8):
    """Make weights multiples of 1/8 and large, so that neurons fire and sums are exact in any order."""
    for p in net.parameters():
        p.data.copy_((p * 3 * steps).round() / steps)
    return net.eval().requires_grad_(False)


def spikes(*shape, density=0.3, seed=0):
    return (torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) < density).float()


NETS = {
    "convolutions": (
        lambda: rn.Sequential(
            nn.Conv2d(2, 8, 3, padding=1), LIF(tau_m=2.0), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, stride=2, groups=2),
            LIF(tau_m=3.0, v_th=0.5), nn.Flatten(), nn.Dropout(0.5), nn.Linear(16 * 9, 11), LeakyIntegrator(tau_m=8.0),
        ), (2, 15, 14)),
    "depthwise, transposed, mean": (
        lambda: rn.Sequential(
            nn.Conv2d(4, 8, 3, groups=4, dilation=2), LIF(tau_m=2.0, v_th=0.5), nn.ConvTranspose2d(8, 5, 3, stride=2),
            LIF(tau_m=2.0), nn.AvgPool2d(2), nn.Conv2d(5, 3, 1), LIF(tau_m=2.0, v_th=0.25),
        ), (4, 9, 11)),
    "recurrent with delays": (
        lambda: rn.Sequential(
            nn.Linear(13, 30), rn.Delay(3), rn.Recurrent(LIF(tau_m=4.0, v_th=0.25), 30, bias=True), rn.Delay(2), rn.Dropout(0.3),
            nn.Linear(30, 6), ALIF(v_th=0.05),
        ), (13,)),
    "one-dimensional": (
        lambda: rn.Sequential(
            nn.Conv1d(3, 6, 5, padding="same"), LIF(tau_m=2.0), nn.MaxPool1d(3, 2, ceil_mode=True), nn.Flatten(), LIF(tau_m=2.0, v_th=0.1),
            nn.Identity(), nn.Linear(6 * 8, 4), LIF(tau_m=2.0, v_th=0.05),
        ), (3, 17)),
    "parts that run dense": (
        lambda: rn.Sequential(
            nn.Conv2d(2, 6, 3, padding=1, padding_mode="circular"), LIF(tau_m=2.0),
            rn.Residual(nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), rn.Spiking(LIF(tau_m=3.0, v_th=0.25)))),
            nn.Conv2d(6, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5), rn.Recurrent(PLIF(), 5),
        ), (2, 8, 8)),
}  # fmt: skip


@pytest.fixture(params=NETS)
def case(request):
    """A network, an input (T, B, ...), and what the network makes of it."""
    make, shape = NETS[request.param]
    net = coarse(seeded(make))
    x = spikes(9, 3, *shape)
    return net, x, net(x)


@pytest.mark.parametrize("crossover", FORMS)
def test_outputs_are_those_of_the_network(case, crossover):
    net, x, y = case
    out, _ = compile_for_inference(net, crossover=crossover).run(x)
    torch.testing.assert_close(out, y, rtol=1e-6, atol=1e-6)  # equal but for means and graded read-outs
    if bool(((y == 0) | (y == 1)).all()):
        assert torch.equal(out, y)
        assert 0 < y.mean() < 1


def test_graded_frames_count_with_their_values(case):
    net, x, _ = case
    counts = x * torch.arange(1, 10).reshape(9, *[1] * (x.ndim - 1))
    out, _ = compile_for_inference(net, crossover=1.0).run(counts.to(torch.uint8))
    torch.testing.assert_close(out, net(counts), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("cuts", [(1, 8), (4, 5), (3, 3, 3)])
def test_any_chunks_are_the_whole_bit_for_bit(case, cuts):
    net, x, _ = case
    fast = compile_for_inference(net, crossover=0.2)
    whole, last = fast.run(x)
    state, parts = None, []
    for part in x.split(cuts):
        y, state = fast.run(part, state)
        parts.append(y)
    assert torch.equal(torch.cat(parts), whole)
    assert equal_states(state, last)


def test_calling_twice_gives_the_same_and_leaves_the_state_given_as_it_was(case):
    net, x, _ = case
    fast = compile_for_inference(net, crossover=0.2)
    _, state = fast.run(x[:4])
    kept = {path: type(own)(*(v.clone() for v in own)) for path, own in state.items()}
    first, second = fast.run(x[4:], state), fast.run(x[4:], state)
    assert torch.equal(first[0], second[0])
    assert equal_states(first[1], second[1])
    assert equal_states(state, kept)


def test_a_stream_is_the_sequence(case):
    net, x, _ = case
    fast = compile_for_inference(net, crossover=0.2)
    stream = fast.stream(batch=3)
    assert torch.equal(torch.stack([stream(frame) for frame in x]), fast.run(x)[0])
    assert equal_states(stream.state, fast.run(x)[1])


def test_a_stream_may_take_over_from_one_of_the_network_and_give_back(case):
    net, x, y = case
    slow = rn.Stream(net, batch=3)
    slow.run(x[:4])
    stream = compile_for_inference(net, crossover=1.0).stream(batch=3)
    stream.state = slow.state
    torch.testing.assert_close(stream.run(x[4:7]), y[4:7], rtol=1e-6, atol=1e-6)
    back = slow.state | stream.state  # a dropout keeps its mask in the network alone
    slow.state = back
    torch.testing.assert_close(slow.run(x[7:]), y[7:], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("density", [0.0, 1.0])
def test_silent_and_full_frames_are_the_networks(case, density):
    net, x, _ = case
    full = torch.full_like(x, density)
    out, _ = compile_for_inference(net, crossover=1.0).run(full)
    torch.testing.assert_close(out, net(full), rtol=1e-6, atol=1e-6)


@needs_extension
def test_the_number_of_threads_changes_no_bit():
    make = lambda: rn.Sequential(  # noqa: E731
        nn.Conv2d(2, 32, 3, padding=1), LIF(tau_m=2.0, v_th=0.2), nn.Conv2d(32, 32, 3, padding=1), LIF(tau_m=2.0, v_th=0.2),
        nn.Flatten(), nn.Linear(32 * 40 * 40, 64), LIF(tau_m=2.0, v_th=0.1),
    )  # fmt: skip
    net, x = seeded(make).eval(), spikes(4, 2, 2, 40, 40)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            found.append(compile_for_inference(net, crossover=1.0).run(x))
    finally:
        torch.set_num_threads(before)
    assert 0 < found[0][0].mean() < 1
    for out, state in found[1:]:
        assert torch.equal(out, found[0][0])
        assert equal_states(state, found[0][1])


@needs_extension
@pytest.mark.parametrize("kind", ["spikes", "graded", "signed"])
@pytest.mark.parametrize(
    "pool",
    [nn.MaxPool2d(2), nn.MaxPool2d(3, 2, padding=1), nn.AvgPool2d(3, 2, padding=1)],
    ids=["max", "overlap", "mean"],
)
def test_large_pools_are_torchs_on_any_number_of_threads(pool, kind):
    x = spikes(3, 2, 24, 57, 90)
    if kind != "spikes":
        x = x * torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
        x = x if kind == "signed" else x.abs()
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            found.append(compile_for_inference(rn.Sequential(pool), crossover=1.0).run(x)[0])
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(found[0], rn.Sequential(pool)(x), rtol=1e-6, atol=1e-6)
    assert torch.equal(found[1], found[0])
    assert torch.equal(found[2], found[0])


@needs_extension
def test_without_the_extension_the_same_network_runs_in_plain_torch(case, monkeypatch):
    net, x, _ = case
    compiled, state = compile_for_inference(net, crossover=0.2).run(x)
    monkeypatch.setattr(extension, "load", lambda name: "it is not there")
    fast = compile_for_inference(net, crossover=0.2)
    out, twin_state = fast.run(x)
    torch.testing.assert_close(out, compiled, rtol=1e-6, atol=1e-6)
    assert equal_states(twin_state, state, tolerance=1e-6)
    assert "executor: plain torch" in str(fast.explain())


def test_norms_are_merged_into_the_layer_before_them():
    make = lambda: rn.Sequential(  # noqa: E731
        nn.Conv2d(2, 6, 3, bias=False), nn.BatchNorm2d(6), LIF(tau_m=2.0, v_th=0.5), nn.ConvTranspose2d(6, 4, 2, groups=2),
        rn.TdBN(4), LIF(tau_m=2.0, v_th=0.5), nn.Flatten(), nn.Linear(4 * 49, 5), nn.BatchNorm1d(5), LIF(tau_m=2.0, v_th=0.3),
    )  # fmt: skip
    net, x = seeded(make), spikes(7, 4, 2, 8, 8)
    for norm, g in ((net[1], 1.5), (net[4], 2.0), (net[8], 1.0)):
        norm.weight.data.fill_(g)
        norm.bias.data.fill_(0.3)
    for _ in range(20):
        net(x)  # statistics
    net.eval()
    fast = compile_for_inference(net, crossover=1.0)
    out, _ = fast.run(x)
    assert torch.equal(out, net(x))
    assert 0 < out.mean() < 1
    text = str(fast.explain())
    assert text.count("merged into") == 4
    assert "with the norm" in text


def test_parameters_of_a_channel_or_neuron_are_its_own():
    g = torch.Generator().manual_seed(1)
    per_neuron = torch.rand(6, 6, 6, generator=g) + 0.25
    make = lambda: rn.Sequential(  # noqa: E731
        nn.Conv2d(2, 6, 3), rn.Spiking(LIF(tau_m=torch.tensor([1.5, 2, 3, 4, 5, 6]).reshape(6, 1, 1)), learn=("v_th",)),
        nn.Conv2d(6, 6, 1), LIF(tau_m=2.0, v_th=per_neuron / 8), rn.Spiking(PLIF(v_th=0.05), learn=("v_th",)),
    )  # fmt: skip
    net, x = coarse(seeded(make)), spikes(9, 2, 2, 8, 8)
    out, _ = compile_for_inference(net, crossover=1.0).run(x)
    assert torch.equal(out, net(x))
    assert 0 < out.mean() < 1


def test_later_changes_of_the_network_do_not_reach_the_compiled_one(case):
    net, x, _ = case
    fast = compile_for_inference(net, crossover=1.0)
    before, _ = fast.run(x)
    for p in net.parameters():
        p.data.add_(5.0)
    assert torch.equal(fast.run(x)[0], before)


def test_compiling_leaves_the_network_in_training_as_it_was():
    net = rn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5), LIF())
    net.train()
    compile_for_inference(net)(torch.ones(1, 4))
    assert net.training
    assert all(p.requires_grad for p in net.parameters())


@pytest.mark.parametrize(("weights", "bound"), [("bfloat16", 2.0**-8), ("int8", 0.5 / 127)])
def test_smaller_weights_err_within_their_bound(weights, bound):
    layer = seeded(lambda: nn.Linear(300, 40))
    x = spikes(1, 3, 300)
    out, _ = compile_for_inference(rn.Sequential(layer), weights=weights, crossover=1.0).run(x)
    largest = layer.weight.abs().amax(1) if weights == "int8" else layer.weight.abs().amax()
    allowed = x.sum(-1, keepdim=True) * bound * largest + 1e-5
    assert bool(((out - layer(x)).abs() <= allowed).all())
    assert not torch.equal(out, layer(x))


@pytest.mark.parametrize("weights", ["bfloat16", "int8"])
def test_dense_and_event_driven_steps_see_the_same_small_weights(weights):
    make = lambda: rn.Sequential(nn.Conv2d(4, 8, 3, groups=2), LIF(tau_m=2.0), nn.Flatten(), nn.Linear(8 * 36, 5))  # noqa: E731
    net, x = seeded(make), spikes(3, 2, 4, 8, 8)
    event = compile_for_inference(net, weights=weights, crossover=1.0).run(x)[0]
    dense = compile_for_inference(net, weights=weights, crossover=0.0).run(x)[0]
    torch.testing.assert_close(event, dense, rtol=1e-5, atol=1e-5)


def test_a_network_explains_itself(case):
    net, x, _ = case
    fast = compile_for_inference(net, crossover=0.2)
    with pytest.raises(
        ConfigError, match=r"event-driven network, explain: expected at least one step, got none\. Call it on"
    ):
        fast.explain()
    fast.run(x)
    report = fast.explain()
    assert [layer.path for layer in report.layers] == [name for name, _ in net.named_children()]
    first = report.layers[0]
    assert first.steps == 9
    if first.crossover is not None:
        assert first.density == pytest.approx(float(x.mean()))
        assert first.events == pytest.approx(float(x.sum()) / 9)
        assert first.form == "dense"
        assert first.dense_steps == 9
    assert "synaptic operations a step" in str(report)


def test_what_has_no_event_driven_form_says_why_it_runs_dense():
    make, shape = NETS["parts that run dense"]
    fast = compile_for_inference(coarse(seeded(make)), crossover=1.0)
    fast.run(spikes(2, 1, *shape))
    text = str(fast.explain())
    assert "runs dense: padding_mode='circular'" in text
    assert text.count("runs dense: there is no event-driven form of it") == 2


def test_synaptic_operations_are_counted():
    layer = nn.Conv2d(3, 5, 3, padding=1, bias=False)
    fast = compile_for_inference(rn.Sequential(layer), crossover=1.0)
    x = torch.zeros(1, 3, 6, 6)
    x[0, 1, 0, 0] = x[0, 2, 3, 3] = 1  # a corner reaches 4 pixels, the middle 9
    fast(x)
    assert fast.explain().synops == (4 + 9) * 5


def test_measured_crossovers_can_be_given_again(case):
    net, x, y = case
    fast = compile_for_inference(net)
    out, _ = fast.run(x)
    torch.testing.assert_close(out, y, rtol=1e-6, atol=1e-6)
    assert all(0 <= value <= 1 for value in fast.crossovers.values())
    again = compile_for_inference(net, crossover=fast.crossovers)
    assert torch.equal(again.run(x)[0], out)
    assert again.crossovers == fast.crossovers


def test_streams_are_measured_while_they_live():
    fast = compile_for_inference(rn.Sequential(nn.Linear(4, 3)), crossover=1.0)
    stream = fast.stream()
    stream(torch.ones(1, 4))
    assert fast.explain().synops == 12
    assert fast.explain().layers[0].steps == 1


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (lambda: 3, ConfigError, r"compile_for_inference: expected a network, got a int"),
        (lambda: nn.TransformerEncoderLayer(4, 2), ConfigError,
         r"expected a chain of layers, got a TransformerEncoderLayer\. Hold its layers in a ranvier\.nn\.Sequential"),
        (lambda: rn.Sequential(nn.LazyLinear(3)), ConfigError, r'"0": expected weights, got a lazy layer without\. Call the'),
        (lambda: rn.Sequential(nn.Linear(3, 3)).double(), DtypeError, r'"0\.weight": expected float32, got torch\.float64\.'),
        (lambda: torch.compile(rn.Sequential(nn.Linear(3, 3)), backend="eager"), ConfigError, r"as it was built, got a compiled one"),
    ],
    ids=["number", "custom", "lazy", "double", "compiled"],
)  # fmt: skip
def test_networks_that_cannot_be_compiled_are_refused(make, kind, text):
    with pytest.raises(kind, match=text):
        compile_for_inference(make())


def test_weights_that_are_not_finite_are_refused():
    net = rn.Sequential(nn.Linear(3, 3))
    net[0].weight.data[1, 1] = torch.nan
    with pytest.raises(NonFiniteError, match=r'"0\.weight": expected finite numbers, got NaN or infinity'):
        compile_for_inference(net)


def test_options_that_make_no_sense_are_refused():
    net = rn.Sequential({"in": nn.Linear(3, 3)})
    with pytest.raises(
        UnknownNameError, match=r"weights: expected a known precision .* got 'int4'.*Did you mean 'int8'"
    ):
        compile_for_inference(net, weights="int4")
    with pytest.raises(ConfigError, match=r"crossover: expected a density from 0 to 1, got 2"):
        compile_for_inference(net, crossover=2)
    with pytest.raises(UnknownNameError, match=r"crossover: expected a known layer \(in\), got 'out'"):
        compile_for_inference(net, crossover={"out": 0.5})
    with pytest.raises(ConfigError, match=r'crossover\["in"\]: expected a density from 0 to 1, got -1'):
        compile_for_inference(net, crossover={"in": -1})


def test_a_layer_that_sums_over_time_is_named():
    class Total(rn.TimeAware):
        def forward(self, x):
            return x.sum(0)

    fast = compile_for_inference(rn.Sequential(nn.Linear(3, 3), Total()), crossover=1.0)
    with pytest.raises(ConfigError, match=r'Total "1": expected a layer that runs step by step, got .* Leave it out'):
        fast(torch.ones(2, 3))


def test_inputs_that_do_not_fit_are_refused_by_name():
    fast = compile_for_inference(rn.Sequential(nn.Linear(3, 3), LIF()), crossover=1.0)
    with pytest.raises(
        ShapeError, match=r"event-driven network: expected a frame \(B, \.\.\.\), got \(3,\)\. A batch of one"
    ):
        fast(torch.ones(3))
    with pytest.raises(DtypeError, match=r"event-driven network: expected real numbers, got torch.complex64"):
        fast(torch.ones(1, 3, dtype=torch.complex64))
    with pytest.raises(
        NonFiniteError, match=r"event-driven network: expected finite numbers, got 1 of 3 values that are NaN"
    ):
        fast(torch.tensor([[1.0, torch.nan, 0.0]]))
    with pytest.raises(
        ConfigError, match=r'Linear "0": expected a layer that runs step by step, got an error of its own'
    ):
        fast(torch.ones(1, 4))


def test_states_that_do_not_fit_are_refused_by_name():
    fast = compile_for_inference(rn.Sequential(nn.Linear(3, 3), LIF()), crossover=1.0)
    _, state = fast(torch.ones(2, 3))
    with pytest.raises(StateError, match=r"state: expected states of the network's own layers, got one for '7'"):
        fast(torch.ones(2, 3), {"7": state["1"]})
    with pytest.raises(StateError, match=r'state "1": expected a state for this layer, got none\. state=None'):
        fast(torch.ones(2, 3), {})
    with pytest.raises(StateError, match=r'state "1", v: expected a tensor of shape \(1, 3\), got \(2, 3\)'):
        fast(torch.ones(1, 3), state)
    with pytest.raises(StateError, match=r'state "1": expected a state with the fields \(v\), got a tuple'):
        fast(torch.ones(2, 3), {"1": (1,)})


def test_the_door_of_the_package_offers_it():
    out, state = rv.compile_for_inference(rv.nn.Sequential(nn.Linear(3, 2), rv.LIF()))(torch.zeros(1, 3))
    assert out.shape == (1, 2)
    assert list(state) == ["1"]


def equal_states(a, b, tolerance=0.0):
    assert a.keys() == b.keys()
    return all(
        torch.allclose(v, w, rtol=tolerance, atol=tolerance)
        for path in a for v, w in zip(a[path], b[path], strict=True)
    )  # fmt: skip
