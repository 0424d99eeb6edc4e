import lzma

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.core.errors import EventFormatError, FormatError, ShapeError
from ranvier.data import open_events
from ranvier.data.formats import npz_events, packed


def pack(lengths, seed=0, longest=2000):
    r, total = np.random.default_rng(seed), sum(lengths)
    t = np.concatenate([np.zeros(0, np.uint32)] + [np.cumsum(r.integers(0, longest, n)) for n in lengths])
    return {
        "x": r.integers(0, 34, total).astype(np.uint8),
        "y": r.integers(0, 34, total).astype(np.uint8),
        "p": r.integers(0, 2, total).astype(np.uint8),
        "t": t.astype(np.uint32),
        "offsets": np.cumsum([0, *lengths]),
        "labels": r.integers(0, 10, len(lengths)).astype(np.uint8),
        "ids": np.arange(len(lengths), dtype=np.int32) + 1,
    }


@given(
    lengths=st.lists(st.integers(0, 40), max_size=6), seed=st.integers(0, 20), longest=st.sampled_from([2, 300, 65000])
)
def test_nothing_is_lost(tmp_path_factory, lengths, seed, longest):
    before = pack(lengths, seed, longest)
    path = tmp_path_factory.mktemp("packed") / "a.npz"
    np.savez(path, **packed.encode(before, size=(34, 34)))
    after = packed.read(path)
    for name, column in before.items():
        np.testing.assert_array_equal(after[name], column)
    assert after["t"].dtype == np.uint32
    np.testing.assert_array_equal(after["size"], [34, 34])


def test_a_packed_file_opens_as_any_recording_does(tmp_path):
    before, path = pack([30, 0, 12]), tmp_path / "a.npz"
    np.savez(path, **packed.encode(before, size=(34, 40)))
    for which, part in enumerate((slice(0, 30), slice(30, 30), slice(30, 42))):
        recording = open_events(path, format=npz_events.recording(which))
        events = recording.read()
        for name, column in (("t", events.t), ("x", events.x), ("y", events.y), ("p", events.polarity)):
            np.testing.assert_array_equal(column, before[name][part])
        assert recording.size == (34, 40)
    assert open_events(path).metadata["recordings"] == 3
    with pytest.raises(EventFormatError, match="offsets that hold recording 3"):
        open_events(path, format=npz_events.recording(3))
    np.savez(path, **{**packed.encode(before, size=(34, 40)), "gap": np.zeros(9, np.uint8)})
    with pytest.raises(EventFormatError, match=r"member 'gap.npy': expected an .xz stream"):
        open_events(path)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"x": np.full(30, 64)}, r"expected pixels from 0 to 63"),
        ({"t": np.arange(30)[::-1]}, r"expected gaps from 0 to 65790 us, got -1 to"),
        ({"t": np.arange(30) * 70_000}, r"expected gaps from 0 to 65790 us, got 0 to"),
    ],
)
def test_what_does_not_fit_is_refused(change, text):
    with pytest.raises(ShapeError, match=text):
        packed.encode({**pack([30]), **change}, size=(34, 34))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"place": None}, r"expected a file of packed recordings, got no member place"),
        ({"offsets": np.array([0, 9, 3])}, r"member 'offsets.npy': expected N \+ 1 rising offsets for N labels"),
        ({"offsets": np.array([0, 10, 31])}, r"member 'place.npy': expected an .xz stream of 62 bytes, got 60\."),
        (
            {"offsets": np.array([0, 10, 29])},
            r"member 'place.npy': expected an .xz stream of 58 bytes, got more",
        ),
        ({"offsets": np.array([0, 10, 1 << 40])}, r"member 'place.npy': expected an .xz stream of"),
        ({"gap": np.zeros(100, np.uint8)}, r"member 'gap.npy': expected an .xz stream, got a broken one"),
        ({"gap": np.zeros(100, np.int64)}, r"member 'gap.npy': expected an .xz stream of 30 bytes, got 100 of int64"),
        ({"offsets": np.array(["a", "b", "c"])}, r"member 'offsets.npy': expected a row of whole numbers, got <U1"),
        ({"size": np.array(34)}, r"member 'size.npy': expected a row of whole numbers, got int64 \(\)"),
        ({"labels": np.zeros(5, np.uint8)}, r"rising offsets for N labels"),
        ({"long": np.frombuffer(lzma.compress(bytes(999)), np.uint8)}, r"member 'long.npy': expected an .xz stream of"),
    ],
)
def test_broken_files_are_refused(tmp_path, change, text):
    members = {**packed.encode(pack([10, 20]), size=(34, 34)), **change}
    np.savez(tmp_path / "a.npz", **{name: value for name, value in members.items() if value is not None})
    with pytest.raises(FormatError, match=text):
        packed.read(tmp_path / "a.npz")


@pytest.mark.parametrize("stream", ["place", "gap", "long"])
def test_a_truncated_stream_is_refused(tmp_path, stream):
    members = packed.encode(pack([500]), size=(34, 34))
    np.savez(tmp_path / "a.npz", **{**members, stream: members[stream][:-9]})
    with pytest.raises(FormatError, match=f"member '{stream}.npy'"):
        packed.read(tmp_path / "a.npz")
