"""Frames as bits, bytes and floats, however they lie: the events found are those of the dense frame. B batch, C channels."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ranvier.kernels.packed import PackedSpikes
from ranvier.kernels.sparse import native, reference
from ranvier.kernels.sparse.frames import Frame, frame_of, frames_of
from ranvier.kernels.sparse.sizes import Sizes, from_last, sizes_of
from ranvier.kernels.sparse.stages import Exchange, Foreign, Linear
from ranvier.kernels.sparse.weights import Rows
from tests.kernels.sparse.drawn import exact

EXECUTORS = ["twin", *(native.variants() if native.absence() is None else [])]
SHAPES = [(1,), (7,), (64,), (70,), (2, 5), (1, 9, 7), (2, 1, 1), (2, 33, 31), (3, 4, 5), (5, 8, 9)]


def run(kind, stages, frame, shape):
    maps, before = [], sizes_of(shape[1:])
    for stage in stages:
        maps.append(
            Exchange(torch.full((shape[0], *before), torch.nan), torch.full((shape[0], *stage.sizes), torch.nan))
        )
        before = stage.sizes
    made = (reference.Session if kind == "twin" else native.Session)(
        stages, shape[0], sizes_of(shape[1:]), maps, **({} if kind == "twin" else {"variant": kind})
    )
    made.bind([])
    at = made.start(frame, 1)
    while at >= 0:
        maps[at].result.copy_(stages[at].dense(maps[at].given).reshape(maps[at].result.shape))
        at = made.resume()
    assert at == reference.DONE
    out = torch.full((shape[0], *stages[-1].sizes), torch.nan)
    made.output(out)
    return out, made


def in_form(x, form):
    if form in ("bits", "uint8 spikes"):
        return PackedSpikes.of(x, "bits" if form == "bits" else "uint8")
    if form == "float32":
        return x
    return x.to({"uint8": torch.uint8, "bool": torch.bool, "float64": torch.float64}[form])


def laid_out(x, layout):
    if layout == "channels last" and x.ndim == 4:
        return x.contiguous(memory_format=torch.channels_last)
    if layout == "turned":
        return x.transpose(0, -1).contiguous().transpose(0, -1)
    return torch.stack([x, torch.ones_like(x)], -1)[..., 0] if layout == "gaps" else x


@st.composite
def drawn(draw):
    shape = (draw(st.integers(1, 3)), *draw(st.sampled_from(SHAPES)))
    form = draw(st.sampled_from(["bits", "uint8 spikes", "uint8", "bool", "float32", "float64"]))
    g = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    x = (torch.rand(shape, generator=g) < draw(st.sampled_from([0.0, 0.02, 0.3, 1.0]))).float()
    if form in ("uint8 spikes", "uint8", "float32") and draw(st.booleans()):
        x *= torch.randint(0, 200, shape, generator=g)
    layout = draw(st.sampled_from(["contiguous", "channels last", "turned", "gaps"]))
    return x, in_form(laid_out(x, layout), form)


@pytest.mark.parametrize("kind", EXECUTORS)
@settings(max_examples=150)
@given(case=drawn())
def test_what_runs_outside_sees_the_dense_frame(kind, case):
    x, frame_B = case
    frame = frame_of(frame_B)
    assert torch.equal(frame.dense(), x)
    out, _ = run(kind, [Foreign(sizes=sizes_of(x.shape[1:]), call=lambda y: y)], frame, x.shape)
    assert torch.equal(from_last(out, x.shape[1:]), x)


@pytest.mark.parametrize("kind", EXECUTORS)
@settings(max_examples=150)
@given(case=drawn())
def test_a_linear_layer_adds_the_rows_of_the_events(kind, case):
    x, frame_B = case
    sizes = sizes_of(x.shape[1:])
    weight_NM = exact(sizes.total, 5, generator=torch.Generator().manual_seed(1))
    stage = Linear(rows=Rows(weight_NM, None, "float32"), sizes=Sizes(1, 1, 5))
    out, made = run(kind, [stage], frame_of(frame_B), x.shape)
    last = x.permute(0, 2, 3, 1) if x.ndim == 4 else x.transpose(1, 2) if x.ndim == 3 else x
    assert torch.equal(out.flatten(1), (last.flatten(1).double() @ weight_NM.double()).float())
    assert made.stats()[0].events == x.count_nonzero()


@pytest.mark.parametrize("kind", EXECUTORS)
@pytest.mark.parametrize("form", ["bits", "uint8 spikes", "uint8", "float32"])
def test_steps_of_a_sequence_begin_at_any_bit(kind, form):
    x = (torch.rand(9, 2, 3, 3, 7, generator=torch.Generator().manual_seed(2)) < 0.3).float()
    frames = frames_of(in_form(x, form))
    assert len(frames) == 9
    for frame, x_B in zip(frames, x, strict=True):
        out, _ = run(kind, [Foreign(sizes=Sizes(3, 7, 3), call=lambda y: y)], frame, x_B.shape)
        assert torch.equal(from_last(out, (3, 3, 7)), x_B)


@pytest.mark.parametrize("form", ["bits", "uint8 spikes", "uint8", "bool"])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_frames_share_the_memory_they_came_in(form, memory):
    x = (torch.rand(2, 3, 4, 5) < 0.5).float().contiguous(memory_format=memory)
    given_B = in_form(x, form)
    frame = frame_of(given_B)
    data = given_B.codes if isinstance(given_B, PackedSpikes) else given_B
    assert frame.data.data_ptr() == data.data_ptr()
    assert frame.last == (memory == torch.channels_last)


@pytest.mark.skipif(native.absence() is not None, reason="the C++ extension is not built")
def test_the_extension_refuses_frames_that_end_too_early():
    one = native._extension().Session(1, (1, 1, 20))
    one.bind([])
    codes = torch.zeros(3, dtype=torch.uint8)
    assert one.start(codes, 1, True, False, 4) == reference.DONE
    with pytest.raises(ValueError, match=r"frames: expected 20 numbers, got 19"):
        one.start(codes, 1, True, False, 5)
    with pytest.raises(ValueError, match=r"frames: expected 20 numbers, got 3"):
        one.start(codes, 1)
    with pytest.raises(ValueError, match=r"frames: expected 20 numbers, got 25"):
        one.start(codes, 1, True, False, -1)
    with pytest.raises(ValueError, match=r"frames: expected uint8 for bits, got another type"):
        one.start(torch.zeros(20), 1, True)
    assert isinstance(frame_of(torch.zeros(1, 20)), Frame)
