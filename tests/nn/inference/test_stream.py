"""Streams through compiled networks. Axes: T time, B batch."""

import pytest
import torch
from torch import nn

import ranvier.nn as rn
from ranvier.core.errors import ConfigError, DtypeError, NonFiniteError, ShapeError, StateError
from ranvier.neurons import LIF
from ranvier.nn.inference import compile_for_inference


@pytest.fixture
def fast():
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(3)
        net = rn.Sequential(nn.Linear(12, 20), rn.Delay(2), rn.Recurrent(LIF(tau_m=3.0, v_th=0.1), 20), nn.Linear(20, 5), LIF(v_th=0.01))  # fmt: skip
    return compile_for_inference(net, crossover=1.0)


@pytest.fixture
def x():
    return (torch.rand(11, 4, 12, generator=torch.Generator().manual_seed(0)) < 0.4).float()


def test_streams_do_not_disturb_each_other(fast, x):
    one, two = fast.stream(batch=4), fast.stream(batch=4)
    mixed = [(one(frame), two(frame.flip(0))) for frame in x]
    whole = fast.run(x)[0]
    assert torch.equal(torch.stack([a for a, _ in mixed]), whole)
    assert torch.equal(torch.stack([b for _, b in mixed]), whole.flip(1))
    assert 0 < whole.mean() < 1


def test_a_kept_state_is_not_changed_by_later_steps(fast, x):
    stream = fast.stream(batch=4)
    stream.run(x[:5])
    state = stream.state
    kept = [v.clone() for own in state.values() for v in own]
    rest = stream.run(x[5:])
    assert all(torch.equal(a, b) for a, b in zip(kept, (v for own in state.values() for v in own), strict=True))
    stream.state = state
    assert torch.equal(stream.run(x[5:]), rest)


def test_a_reset_stream_starts_from_rest(fast, x):
    stream = fast.stream(batch=4)
    assert stream.state is None
    first = stream.run(x)
    stream.reset()
    assert torch.equal(stream.run(x), first)


def test_a_state_may_be_given_before_the_first_frame(fast, x):
    _, state = fast.run(x[:5])
    stream = fast.stream(batch=4)
    stream.state = state
    assert stream.state.keys() == state.keys()
    assert torch.equal(stream.run(x[5:]), fast.run(x)[0][5:])


@pytest.mark.parametrize("indices", [[2, 0], slice(1, 3), [True, False, False, True]])
def test_some_streams_of_a_batch_go_on_alone(fast, x, indices):
    stream = fast.stream(batch=4)
    stream.run(x[:5])
    places = torch.arange(4)[indices if isinstance(indices, slice) else torch.tensor(indices)]
    chosen = stream.select(indices)
    assert chosen.batch == 2
    assert torch.equal(chosen.run(x[5:, places]), stream.run(x[5:])[:, places])


def test_frames_that_need_a_copy_are_copied(fast, x):
    stream = fast.stream(batch=4)
    wide = torch.stack([x.double(), x.double()], -1)[..., 0]
    assert not wide[0].is_contiguous()
    assert torch.equal(torch.stack([stream(frame) for frame in wide]), fast.run(x)[0])


def test_misuse_is_refused_by_name(fast, x):
    with pytest.raises(ConfigError, match=r"EventStream.batch: expected at least 1, got 0"):
        fast.stream(batch=0)
    stream = fast.stream(batch=4)
    with pytest.raises(DtypeError, match=r"EventStream: expected a tensor of real numbers, got torch.complex64"):
        stream(x[0].to(torch.complex64))
    with pytest.raises(ShapeError, match=r"EventStream: expected a batch of 4, got \(3, 12\)"):
        stream(x[0, :3])
    with pytest.raises(ShapeError, match=r"EventStream: expected an input \(T, B, \.\.\.\) with T >= 1, got \(4, 12\)"):
        stream.run(x[0])
    stream(x[0])
    with pytest.raises(
        ShapeError, match=r"EventStream: expected frames \(B, \.\.\.\) of shape \(4, 12\), got \(4, 13\)\. Start"
    ):
        stream(torch.zeros(4, 13))
    with pytest.raises(
        ConfigError, match=r"EventStream.select: expected at least one place, all among 0 to 3, got \[4\]"
    ):
        stream.select([4])
    with pytest.raises(StateError, match=r'state "1": expected a state for this layer, got none'):
        stream.state = {}


def test_a_frame_that_is_refused_leaves_the_state_as_it_was(fast, x):
    stream = fast.stream(batch=4)
    stream.run(x[:5])
    bad = x[5].clone()
    bad[0, 0] = torch.nan
    with pytest.raises(NonFiniteError, match=r"expected finite numbers, got 1 of 48 values that are NaN or infinite"):
        stream(bad)
    assert torch.equal(stream.run(x[5:]), fast.run(x)[0][5:])
