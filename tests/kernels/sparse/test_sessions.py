"""Stages against plain torch: the twin and every instruction set of the extension. Axes: B batch, C channels, N neurons."""

from copy import deepcopy

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ranvier.core import extension as extensions
from ranvier.core.errors import ExecutorError
from ranvier.kernels.plan import plan
from ranvier.kernels.sparse import native, reference
from ranvier.kernels.sparse.sizes import Sizes, from_last, sizes_of
from ranvier.kernels.sparse.stages import Delay, Exchange, Flatten, Foreign, Linear, Neurons, Recurrence
from ranvier.kernels.sparse.weights import Rows
from ranvier.neurons import ALIF, LIF
from ranvier.nn.inference.products import convolution
from tests.kernels.sparse.drawn import convolutions, exact, linears, pools

pytestmark = pytest.mark.filterwarnings("ignore:Using padding=.same.")
needs_extension = pytest.mark.skipif(native.absence() is not None, reason="the C++ extension is not built")
EXECUTORS = ["twin", *(native.variants() if native.absence() is None else [])]


def session(kind, stages, batch, source):
    maps, before = [], source
    for stage in stages:
        maps.append(Exchange(torch.full((batch, *before), torch.nan), torch.full((batch, *stage.sizes), torch.nan)))
        before = stage.sizes
    if kind == "twin":
        return reference.Session(stages, batch, source, maps), maps
    return native.Session(stages, batch, source, maps, variant=kind), maps


def run(kind, stages, x, states=(), threads=1, steps=1):
    source = sizes_of(x.shape[1:])
    made, maps = session(kind, stages, len(x), source)
    made.bind(list(states))
    for _ in range(steps):
        at = made.start(x.contiguous(), threads)
        while at >= 0:
            maps[at].result.copy_(stages[at].dense(maps[at].given).reshape(maps[at].result.shape))
            at = made.resume()
    assert at == reference.DONE
    out = torch.full((len(x), *stages[-1].sizes), torch.nan)
    made.output(out)
    return out, made


@pytest.mark.parametrize("kind", EXECUTORS)
@settings(max_examples=60)
@given(case=convolutions())
def test_every_convolution_is_torchs(kind, case):
    assume(case is not None)
    out, made = run(kind, [case.stage], case.x)
    expected = deepcopy(case.layer).double()(case.x.double()).float()
    assert torch.equal(from_last(out, case.shape), expected)
    assert made.stats()[0].events == case.x.count_nonzero()


@pytest.mark.parametrize("kind", EXECUTORS)
@settings(max_examples=40)
@given(case=linears())
def test_every_linear_layer_is_torchs(kind, case):
    out, _ = run(kind, [case.stage], case.x)
    assert torch.equal(from_last(out, case.shape), deepcopy(case.layer).double()(case.x.double()).float())


@pytest.mark.parametrize("kind", EXECUTORS)
@settings(max_examples=60)
@given(case=pools())
def test_every_pool_is_torchs(kind, case):
    assume(case is not None)
    out, _ = run(kind, [case.stage], case.x)
    assert torch.equal(from_last(out, case.shape), case.layer(case.x))


def rounding(stage):
    """Replace weights by ones whose sums round, the same for every call."""
    g = torch.Generator().manual_seed(3)
    data = stage.rows.data
    real = torch.randn(data.shape, generator=g) * (data.abs().sum(0) >= 0)
    real[:, stage.rows.outputs :] = 0
    stage.rows.data.copy_(real if data.is_floating_point() else (real * 40).clamp(-127, 127))
    return stage


@needs_extension
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
@settings(max_examples=40)
@given(data=st.data())
def test_sums_are_rounded_in_the_twins_order_by_every_instruction_set_and_number_of_threads(precision, data):
    case = data.draw(convolutions(precision) if data.draw(st.booleans()) else linears(precision))
    assume(case is not None)
    stage = rounding(case.stage)
    law, _ = run("twin", [stage], case.x)
    for variant in native.variants():
        for threads in (1, 2, 4):
            out, made = run(variant, [stage], case.x, threads=threads)
            assert torch.equal(out, law), (variant, threads)
            assert made.stats()[0].synops == run("twin", [stage], case.x)[1].stats()[0].synops


@needs_extension
@pytest.mark.parametrize("density", [0.01, 0.9])
def test_both_forms_of_a_large_convolution_give_the_twins_bits_on_any_number_of_threads(density):
    g = torch.Generator().manual_seed(5)
    layer = torch.nn.Conv2d(8, 64, 3, padding=1).requires_grad_(False)
    stage, _ = convolution(layer, torch.randn(64, 8, 3, 3, generator=g), torch.randn(64, generator=g), (8, 33, 31), "float32")  # fmt: skip
    x = (torch.rand(2, 8, 33, 31, generator=g) < density).float()
    law, _ = run("twin", [stage], x)
    for threads in (1, 2, 4):
        out, made = run(native.variants()[0], [stage], x, threads=threads)
        assert torch.equal(out, law)
        assert made.stats()[0].last == (1 if density < 0.1 else 2)  # scatter, gather


@pytest.mark.parametrize("kind", EXECUTORS)
@pytest.mark.parametrize("neuron", [LIF(tau_m=3.0), ALIF()], ids=lambda n: type(n).__name__)
@pytest.mark.parametrize("shape", [(1,), (67,), (5, 7, 9), (64, 3, 3)])
def test_neurons_are_the_reference_step_for_step(kind, neuron, shape):
    g = torch.Generator().manual_seed(1)
    made = plan(neuron)
    stage = Neurons(program=made.programs.forward, values=(), sizes=sizes_of(shape), states=len(made.fields))
    x = torch.randn(6, 2, *shape, generator=g).abs() * 40
    state = neuron.rest()
    state = type(state)(*(torch.as_tensor(v, dtype=torch.float32).expand(2, *shape).clone() for v in state))
    buffers = [torch.zeros(2, *sizes_of(shape)) + v.flatten()[0] for v in state]
    one, _ = session(kind, [stage], 2, sizes_of(shape))
    one.bind(buffers)
    fired = 0.0
    for frame in x:
        assert one.start(frame, 2) == reference.DONE
        out = torch.full((2, *sizes_of(shape)), torch.nan)
        one.output(out)
        state, spikes = neuron.step(state, frame, dt=1.0)
        assert torch.equal(from_last(out, shape), spikes)
        fired += float(spikes.mean()) / len(x)
    assert 0 < fired < 1 or len(shape) == 1
    for buffer, value in zip(buffers, state, strict=True):
        torch.testing.assert_close(from_last(buffer, shape), value.float(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", EXECUTORS)
def test_recurrent_neurons_hear_each_other_a_step_later(kind):
    g = torch.Generator().manual_seed(2)
    weight, bias, made = exact(70, 70, generator=g), exact(70, generator=g), plan(LIF(tau_m=2.0, decay_input=False))
    stage = Neurons(
        program=made.programs.forward, values=(), sizes=Sizes(1, 1, 70), states=1, recurrence=Recurrence(Rows(weight.T, bias, "float32"))
    )  # fmt: skip
    v, last = torch.zeros(3, 1, 1, 70), torch.zeros(3, 1, 1, 70)
    one, _ = session(kind, [stage], 3, Sizes(1, 1, 70))
    one.bind([v, last])
    state, spikes = LIF.State(v=torch.zeros(3, 70)), torch.zeros(3, 70)
    for frame in exact(8, 3, 70, generator=g, high=16):
        one.start(frame, 2)
        out = torch.full((3, 1, 1, 70), torch.nan)
        one.output(out)
        state, spikes = LIF(tau_m=2.0, decay_input=False).step(state, frame + spikes @ weight.T + bias, dt=1.0)
        assert torch.equal(out.flatten(1), spikes)
        assert torch.equal(last, out)
        assert 0 < spikes.mean() < 1


@pytest.mark.parametrize("kind", EXECUTORS)
def test_a_delay_line_gives_back_what_came_in_that_many_steps_before(kind):
    one, _ = session(kind, [Delay(steps=3, sizes=Sizes(1, 1, 5))], 2, Sizes(1, 1, 5))
    one.bind([torch.zeros(2, 3, 1, 1, 5)])
    x = torch.arange(100.0).reshape(10, 2, 5)
    for t, frame in enumerate(x):
        one.start(frame, 1)
        out = torch.full((2, 1, 1, 5), torch.nan)
        one.output(out)
        assert torch.equal(out.flatten(1), x[t - 3] if t >= 3 else torch.zeros(2, 5))


@pytest.mark.parametrize("kind", EXECUTORS)
def test_flattening_orders_channels_first(kind):
    x = torch.rand(2, 3, 4, 5)
    out, _ = run(kind, [Flatten(sizes=Sizes(1, 1, 60))], x)
    assert torch.equal(out.flatten(1), x.flatten(1))


@pytest.mark.parametrize("kind", EXECUTORS)
def test_what_runs_outside_gets_dense_maps(kind):
    double = Foreign(sizes=Sizes(4, 5, 3), call=lambda x: 2 * x + 1)
    x = (torch.rand(2, 3, 4, 5) < 0.2).float()
    out, _ = run(kind, [double, double], x)
    assert torch.equal(from_last(out, (3, 4, 5)), 4 * x + 3)


@pytest.mark.parametrize("kind", EXECUTORS)
def test_above_its_crossover_a_product_is_dense_below_it_is_not(kind):
    rows = Rows(torch.ones(10, 4), None, "float32")
    stage = Linear(rows=rows, sizes=Sizes(1, 1, 4), crossover=0.3)
    for events, form in ((3, 1), (4, 3), (0, 1)):
        x = torch.zeros(1, 10)
        x[0, :events] = 1
        out, made = run(kind, [stage], x)
        assert made.stats()[0].last == form
        assert out.flatten().tolist() == [events] * 4


@pytest.mark.parametrize("kind", EXECUTORS)
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_frame_that_is_not_finite_is_refused_before_anything_changes(kind, bad):
    made = plan(LIF())
    stage = Neurons(program=made.programs.forward, values=(), sizes=Sizes(1, 1, 9), states=1)
    v = torch.full((1, 1, 1, 9), 0.25)
    one, _ = session(kind, [stage], 1, Sizes(1, 1, 9))
    one.bind([v])
    x = torch.zeros(1, 9)
    x[0, 4] = bad
    assert one.start(x, 1) == reference.NOT_FINITE
    assert torch.equal(v, torch.full_like(v, 0.25))
    assert one.steps == 0


@needs_extension
def test_the_extension_refuses_what_does_not_fit():
    extension = native._extension()
    with pytest.raises(ValueError, match=r"batch: expected at least 1, got 0"):
        extension.Session(0, (1, 1, 4))
    with pytest.raises(ValueError, match=r"shape: expected sizes >= 1, below 2\^30 in all, got others"):
        extension.Session(1, (1, 0, 4))
    with pytest.raises(ValueError, match=r"variant: expected one of variants\(\), got sse"):
        extension.Session(1, (1, 1, 4), "sse")
    one = extension.Session(1, (1, 1, 4))
    floats = torch.zeros(4)
    with pytest.raises(ValueError, match=r"weight: expected 64 numbers, got 4"):
        one.linear(3, floats, None, None, floats, floats[:3], 1.0, False)
    one.delay(2)
    with pytest.raises(ValueError, match=r"states: expected bound states, got none"):
        one.start(floats, 1)
    with pytest.raises(ValueError, match=r"states: expected 8 numbers, got 4"):
        one.bind([floats])
    one.bind([torch.zeros(8)])
    with pytest.raises(ValueError, match=r"frames: expected float32 or uint8, got another type"):
        one.start(floats.double(), 1)
    with pytest.raises(ValueError, match=r"delay: expected at least 1 step, got 0"):
        one.delay(0)
    with pytest.raises(ValueError, match=r"encoded program"):
        one.neurons(1, 1, [], [0, 5000, 0, 0, 0, 0], [False], [])


@needs_extension
def test_tables_that_would_leave_the_memory_are_refused():
    one, floats = native._extension().Session(1, (4, 4, 1)), torch.zeros(1, 16)
    weight = torch.zeros(9, 16)
    good = {
        "rows": [[0, 1, 1, 1, 1], [0], [0]], "segments": [[0, 1, 1, 1, 1], [0], [1], [0]],
        "targets": [[0, 1, 1, 1, 1], [0], [0]],
    }  # fmt: skip

    def add(**changes):
        tables = good | changes
        one.convolution((4, 4, 1), weight, None, None, floats, floats, 1.0, False, (3, 3), 1, *tables.values())

    add()
    for name, bad in (
        ("rows", [[0, 1, 1, 1, 1], [4], [0]]), ("rows", [[0, 1, 1, 1, 1], [0], [3]]), ("rows", [[0, 2, 1, 1, 1], [0], [0]]),
        ("segments", [[0, 1, 1, 1, 1], [2], [5], [0]]), ("segments", [[0, 1, 1, 1, 1], [0], [2], [2]]),
        ("targets", [[0, 1, 1, 1, 1], [-1], [0]]), ("targets", [[0, 1, 1, 1], [0], [0]]),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="expected"):
            add(**{name: bad})


def test_without_the_extension_there_is_an_error_that_says_so(monkeypatch):
    monkeypatch.setattr(extensions, "load", lambda name: "it is not there")
    assert native.absence() == "it is not there"
    with pytest.raises(
        ExecutorError,
        match=r"event-driven inference: expected the C\+\+ extension, got it is not there\. Install a wheel",
    ):
        native.variants()
