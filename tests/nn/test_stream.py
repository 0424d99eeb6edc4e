import re

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import ranvier.nn as rn
from ranvier.core.errors import ConfigError, FormatError, RunError, ShapeError, StateError
from ranvier.neurons import LIF


@pytest.fixture
def half(small):
    """A stream in the middle of its sequence, the rest of the sequence, and what is to come out."""
    net, x = small
    stream = net.stream(batch=3)
    stream.run(x[:4])
    return stream, x[4:], net(x)[4:].detach()


def test_frame_by_frame_is_the_whole_bit_for_bit(small):
    net, x = small
    stream = net.stream(batch=3)
    y = torch.stack([stream(frame) for frame in x])
    assert torch.equal(y, net(x))
    assert 0 < y.mean() < 1


@pytest.mark.parametrize("cuts", [(1, 8), (4, 5), (3, 3, 3), (9,)])
def test_any_chunks_are_the_whole_bit_for_bit(small, cuts):
    net, x = small
    stream = net.stream(batch=3)
    assert torch.equal(torch.cat([stream.run(part) for part in x.split(cuts)]), net(x))


def test_the_network_stays_at_rest_while_streams_go_on(half, small):
    net, x = small
    whole = net(x)
    stream, rest, expected = half
    assert torch.equal(net(x), whole)
    assert torch.equal(stream.run(rest), expected)


def test_a_state_can_be_held_and_gone_back_to(half):
    stream, rest, expected = half
    held = stream.state
    assert set(held) == {"1", "3.branch.1", "6"}
    assert not any(t.requires_grad for own in held.values() for t in own)
    first = stream.run(rest)
    assert not torch.equal(stream.run(rest), first)
    stream.state = held
    assert torch.equal(stream.run(rest), expected)


def test_reset_goes_back_to_rest(half, small):
    net, x = small
    half[0].reset()
    assert half[0].state is None
    assert torch.equal(half[0].run(x), net(x))
    half[0].state = None
    assert torch.equal(half[0].run(x), net(x))


@pytest.mark.parametrize(
    "indices", [[2, 0], [1], slice(1, None), torch.tensor([0, 2]), [True, False, True], [-1]], ids=str
)
def test_some_of_the_streams_go_on_alone(half, indices):
    stream, rest, expected = half
    chosen = stream.select(indices)
    wanted = indices if isinstance(indices, slice) else torch.as_tensor(indices)
    assert torch.equal(chosen.run(rest[:, wanted]), expected[:, wanted])
    assert torch.equal(stream.run(rest), expected)


def test_a_stream_at_rest_can_be_sliced(small):
    chosen = small[0].stream(batch=3).select([0, 1])
    assert chosen.batch == 2
    assert chosen.state is None


@pytest.mark.parametrize("indices", [[], [3], [-4], slice(5, None), [False] * 3], ids=str)
def test_places_that_are_not_there_are_refused(half, indices):
    with pytest.raises(ConfigError, match="Stream.select: expected at least one place, all among 0 to 2, got"):
        half[0].select(indices)


def test_moving_to_another_device_moves_the_state_alone(half):
    stream, rest, _ = half
    assert stream.to("meta") is stream
    assert all(t.device.type == "meta" for own in stream.state.values() for t in own)
    assert all(p.device.type == "cpu" for p in stream.net.parameters())
    with pytest.raises(
        StateError, match=re.escape('Spiking(LIF) "1": expected state.v on cpu, as the input, got meta')
    ):
        stream.run(rest)
    assert stream.net.stream(batch=1).to("meta").state is None


def test_a_saved_state_goes_on_bit_for_bit(half, tmp_path):
    stream, rest, expected = half
    stream.save(tmp_path / "s.safetensors")
    other = stream.net.stream(batch=3)
    other.load(tmp_path / "s.safetensors")
    assert torch.equal(other.run(rest), expected)
    assert [p.name for p in tmp_path.iterdir()] == ["s.safetensors"]


def test_rest_can_be_saved_too(small, tmp_path):
    net, x = small
    net.stream(batch=3).save(tmp_path / "s")
    stream = net.stream(batch=3)
    stream.run(x)
    stream.load(tmp_path / "s")
    assert stream.state is None


def test_a_network_that_is_one_layer_can_be_saved(tmp_path):
    layer, x = rn.Spiking(LIF()), torch.ones(4, 1, 2)
    stream = rn.Stream(layer, batch=1)
    stream.run(x[:2])
    stream.save(tmp_path / "s")
    other = rn.Stream(layer, batch=1)
    other.load(tmp_path / "s")
    assert torch.equal(other.state[""].v, layer.run(x[:2])[1].v)


def test_a_file_that_does_not_fit_is_refused_and_the_state_stays(half, tmp_path):
    stream, rest, expected = half
    stream.save(tmp_path / "good")
    data = (tmp_path / "good").read_bytes()
    (tmp_path / "cut").write_bytes(data[: len(data) // 2])
    with pytest.raises(FormatError, match="cut: expected a safetensors file, got"):
        stream.load(tmp_path / "cut")
    save_file({"x": torch.zeros(1)}, tmp_path / "other")
    with pytest.raises(FormatError, match="other: expected the state of a stream .*got None"):
        stream.load(tmp_path / "other")
    about = {"format": "ranvier stream 1", "batch": "3", "rest": "False"}
    save_file({"1.v": torch.zeros(3, 4, 8, 8), "7.v": torch.zeros(3)}, tmp_path / "more", metadata=about)
    with pytest.raises(StateError, match="more: expected states of its own layers, got one for '7'"):
        stream.load(tmp_path / "more")
    save_file({"6.v": torch.zeros(3, 5)}, tmp_path / "less", metadata=about)
    with pytest.raises(StateError, match=r'less "6": expected the fields \(v, last_spikes\), got \(v\)'):
        stream.load(tmp_path / "less")
    small = stream.select([0])
    with pytest.raises(StateError, match="good: expected a batch of 1, got one of 3"):
        small.load(tmp_path / "good")
    with pytest.raises(FileNotFoundError):
        stream.load(tmp_path / "absent")
    assert torch.equal(stream.run(rest), expected)


def test_a_folder_that_cannot_be_written_is_named(half, tmp_path):
    with pytest.raises(RunError, match="expected a place that can be written, got"):
        half[0].save(tmp_path / "absent" / "s")


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ({"8": LIF.State(torch.zeros(3))}, "Stream: expected states of its own layers, got one for '8'"),
        ({"1": (torch.zeros(3),)}, 'Stream "1": expected a state with the fields (v), got a tuple.'),
        ({"1": LIF.State(torch.zeros(2, 4))}, 'Stream "1": expected v of a batch of 3, got (2, 4).'),
        ({"1": LIF.State(torch.zeros(()))}, 'Stream "1": expected v of a batch of 3, got ().'),
    ],
)
def test_a_state_that_does_not_fit_is_refused(half, state, text):
    stream, rest, expected = half
    with pytest.raises(StateError, match=re.escape(text)):
        stream.state = state
    assert torch.equal(stream.run(rest), expected)


def test_an_error_in_the_network_leaves_the_state_as_it_was(half):
    stream, rest, expected = half
    with pytest.raises(ShapeError):
        stream(torch.zeros(3, 7, 8, 8))
    assert torch.equal(stream.run(rest), expected)


def test_bad_streams_are_refused(small):
    net, x = small
    with pytest.raises(ConfigError, match=re.escape("Stream.batch: expected at least 1, got 0.")):
        net.stream(batch=0)
    text = "Stream: expected a batch of 2, got an input of (T, B, ...) = (1, 3, 2, 8, 8)."
    with pytest.raises(ShapeError, match=re.escape(text)):
        net.stream(batch=2)(x[0])
    with pytest.raises(ShapeError, match="Stream: expected a batch of 2, got an input"):
        net.stream(batch=2)(torch.tensor(1.0))
    with pytest.raises(ConfigError, match="Stream: expected a network as it was built, got a compiled one. Stream the"):
        rn.Stream(torch.compile(net, backend="eager"), batch=1)


def test_a_network_that_sums_time_up_cannot_stream():
    class Last(rn.TimeAware):
        def forward(self, x_TB):
            return x_TB[-1]

    stream = rn.Sequential(nn.Identity(), Last()).stream(batch=2)
    with pytest.raises(
        ShapeError, match=re.escape("Stream: expected an output (T, B, ...) = (1, 2, ...), got (2, 3).")
    ):
        stream(torch.zeros(2, 3))
