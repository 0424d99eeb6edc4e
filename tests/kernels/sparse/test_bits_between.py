"""Spikes that go from stage to stage as bits: chains of stages against the twin. Axes: B batch, C channels."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ranvier.kernels.plan import plan
from ranvier.kernels.sparse import native, reference
from ranvier.kernels.sparse.sizes import sizes_of
from ranvier.kernels.sparse.stages import Exchange, Neurons
from ranvier.neurons import LIF
from ranvier.nn.inference.products import convolution, linear, pooling

pytestmark = pytest.mark.skipif(native.absence() is not None, reason="the C++ extension is not built")
PROGRAM = plan(LIF(tau_m=2.0)).programs.forward


def neurons(shape):
    return Neurons(program=PROGRAM, values=(), sizes=sizes_of(shape), states=1)


@st.composite
def chains(draw):
    """Neurons that fire where the input does, a convolution with neurons, a pool, a linear layer."""
    c, o = draw(st.sampled_from([1, 3, 8, 16, 24, 32])), draw(st.sampled_from([5, 8, 16, 48, 64, 80]))
    height, width = draw(st.integers(1, 11)), draw(st.sampled_from([1, 3, 4, 8, 12, 13, 32]))
    g = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    precision = draw(st.sampled_from(["float32", "float32", "bfloat16", "int8"]))
    kernel = (draw(st.sampled_from([3, 3, 3, 1, 2])), draw(st.sampled_from([3, 1, 5])))
    padding = (draw(st.integers(0, 3)), kernel[1] // 2)
    stride = (draw(st.sampled_from([1, 1, 1, 2])), draw(st.sampled_from([1, 1, 2])))
    if height + 2 * padding[0] < kernel[0]:
        height = kernel[0]
    with torch.random.fork_rng(devices=[]):
        layer = nn.Conv2d(c, o, kernel, padding=padding, stride=stride, bias=draw(st.booleans())).requires_grad_(False)
    for p in layer.parameters():
        p.copy_(torch.randn(p.shape, generator=g) * 0.7)
    stages, shape = [neurons((c, height, width))], (c, height, width)
    first, shape = convolution(layer, layer.weight, layer.bias, shape, precision)
    stages += [first, neurons(shape)]
    if draw(st.booleans()) and min(shape[1:]) > 1:
        pool, shape = pooling(
            nn.MaxPool2d(2, stride=draw(st.sampled_from([1, 2])), padding=draw(st.integers(0, 1))), shape
        )
        stages.append(pool)
    weight = torch.randn(7, shape[0] * shape[1] * shape[2], generator=g)
    stages += [linear(weight, None, shape, precision), neurons((7,))]
    density = draw(st.sampled_from([0.0, 0.05, 0.3, 1.0]))
    x = 4.0 * (torch.rand(4, draw(st.sampled_from([1, 2])), c, height, width, generator=g) < density)
    return SimpleNamespace(stages=stages, x=x)


def run(kind, case, threads):
    """Outputs of all steps, the states after them, and what each stage has seen."""
    batch, source = case.x.shape[1], sizes_of(case.x.shape[2:])
    maps, before = [], source
    for stage in case.stages:
        maps.append(Exchange(torch.full((batch, *before), torch.nan), torch.full((batch, *stage.sizes), torch.nan)))
        before = stage.sizes
    law = kind == "twin"
    made = (
        reference.Session(case.stages, batch, source, maps)
        if law
        else native.Session(case.stages, batch, source, maps, variant=kind)
    )
    states = [torch.zeros(batch, *stage.sizes) for stage in case.stages if isinstance(stage, Neurons)]
    made.bind(states)
    outputs = []
    for frame in case.x:
        assert made.start(frame.contiguous(), threads) == reference.DONE
        outputs.append(torch.full((batch, *case.stages[-1].sizes), torch.nan))
        made.output(outputs[-1])
    return torch.stack(outputs), states, made.stats()


@settings(max_examples=80)
@given(case=chains())
def test_chains_of_stages_give_the_twins_bits_on_every_instruction_set_and_number_of_threads(case):
    law, law_states, seen = run("twin", case, 1)
    for variant in native.variants():
        for threads in (1, 3):
            out, states, counts = run(variant, case, threads)
            assert torch.equal(out, law), (variant, threads)
            for own, expected in zip(states, law_states, strict=True):
                assert torch.equal(own, expected), (variant, threads)
            assert [c.synops for c in counts] == [c.synops for c in seen]
            assert [c.events for c in counts] == [c.events for c in seen]


@pytest.mark.parametrize("density", [0.01, 0.05, 0.4])
@pytest.mark.parametrize("width", [12, 13])
def test_a_large_convolution_gives_the_twins_bits_in_patches_and_row_by_row(density, width):
    g = torch.Generator().manual_seed(4)
    layer = nn.Conv2d(32, 64, 3, padding=1, bias=False).requires_grad_(False)
    weight, shape = torch.randn(64, 32, 3, 3, generator=g), (32, 21, width)
    stage, after = convolution(layer, weight, None, shape, "float32")
    pool, last = pooling(nn.MaxPool2d(2), after)
    x = 4.0 * (torch.rand(3, 2, *shape, generator=g) < density)
    case = SimpleNamespace(stages=[neurons(shape), stage, neurons(after), pool, neurons(last)], x=x)
    law, law_states, seen = run("twin", case, 1)
    assert seen[3].events > 0
    for threads in (1, 2, 4):
        out, states, counts = run(native.variants()[0], case, threads)
        assert torch.equal(out, law)
        assert all(torch.equal(own, expected) for own, expected in zip(states, law_states, strict=True))
        assert counts[1].last == (1 if density == 0.01 else 2), "scatter below, gather above"
        assert counts[1].synops == seen[1].synops
