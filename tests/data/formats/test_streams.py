import os
import struct
from pathlib import Path

import numpy as np
import pytest

from ranvier.core.errors import EventFormatError
from ranvier.data import open_events
from ranvier.data.formats import aedat4
from tests.data.formats.battery import some_events

HEAD3 = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DAVIS346\r\n#!END-HEADER\r\n"
KINDS = {1: "FRME", 2: "IMUS", 3: "TRIG"}


def flat(name, fields, vectors=()):
    """Write a FlatBuffer of one table by hand: ``fields`` are struct codes and numbers or None, then ``vectors``."""
    # the table begins at 8 + vtable; fields lie one after the other, each aligned to 8
    vtable_size = 4 + 2 * (len(fields) + len(vectors))
    table_at = 8 + vtable_size + (-(8 + vtable_size) % 8)
    body, offsets = bytearray(struct.pack("<i", table_at - 8) + bytes(4)), []
    for field in fields:
        offsets.append(0 if field is None else len(body))
        if field is not None:
            body += struct.pack(*field)
            body += bytes(-len(body) % 8)
    for _ in vectors:
        offsets.append(len(body))
        body += bytes(8)
    for (data, num), offset in zip(vectors, offsets[len(fields) :], strict=True):
        struct.pack_into("<I", body, offset, len(body) - offset)
        body += struct.pack("<I", num) + data
        body += bytes(-len(body) % 8)
    vtable = struct.pack("<HH", vtable_size, 8) + b"".join(struct.pack("<H", o) for o in offsets)
    head = struct.pack("<I", table_at) + name + vtable
    return head + bytes(table_at - len(head)) + bytes(body)


def prefixed(data):
    return struct.pack("<I", len(data)) + data


def tables(name, items):
    """Write a FlatBuffer of a vector of tables; each item is a list of fields."""
    head = struct.pack("<I", 16) + name + struct.pack("<HHH", 6, 8, 4) + bytes(2)
    root = struct.pack("<iI", 8, 4)
    start = len(head) + len(root) + 4 + 4 * len(items)
    offsets, bodies, at = b"", b"", start
    for fields in items:
        vtable = struct.pack("<HH", 4 + 2 * len(fields), 8)
        table, places = bytearray(4), []
        for field in fields:
            places.append(0 if field is None else len(table))
            if field is not None:
                table += struct.pack(*field)
        vtable += b"".join(struct.pack("<H", place) for place in places)
        struct.pack_into("<i", table, 0, len(vtable))
        place = len(head) + len(root) + 4 + len(offsets)
        offsets += struct.pack("<I", at + len(vtable) - place)
        bodies += vtable + bytes(table)
        at += len(vtable) + len(table)
    return head + root + struct.pack("<I", len(items)) + offsets + bodies


def aedat4_file(path, packets, *, compression="none"):
    """Write a file of events, then packets of (stream, FlatBuffer)."""
    data = aedat4.to_bytes(some_events(100, start=50))
    more = "".join(
        f'<node name="{n}"><attr key="typeIdentifier" type="string">{kind}</attr></node>' for n, kind in KINDS.items()
    )
    start = data.index(b"IOHE") - 8
    old = aedat4._xml(48, 64).encode()
    new = old.replace(b"</node></dv>", more.encode() + b"</node></dv>")
    size = int.from_bytes(data[start : start + 4], "little")
    header = data[start + 4 : start + 4 + size]
    place = header.index(old)
    header = header[: place - 4] + struct.pack("<I", len(new)) + new + b"\0" * (-len(new) % 4 or 4)
    out = data[:start] + struct.pack("<I", len(header)) + header + data[start + 4 + size :]
    for stream, buffer in packets:
        payload = aedat4._packed(prefixed(buffer), compression)
        out += struct.pack("<ii", stream, len(payload)) + payload
    Path(path).write_bytes(out)
    return path


def frame4(t, image, *, code=0, start=5, stop=9, at=(2, 3)):
    height, width = image.shape[:2]
    times = [("<q", t), None, None, ("<q", start) if start else None, ("<q", stop) if stop else None]
    sides = [("<b", code), ("<h", width), ("<h", height), ("<h", at[0]), ("<h", at[1])]
    return flat(b"FRME", times + sides, [(image.tobytes(), image.size)])


def imu4(t, values):
    return [("<q", t), *(("<f", value) for value in values)]


@pytest.mark.parametrize("compression", ["none", "lz4", "zstd"])
def test_aedat4_gives_frames_samples_and_triggers(tmp_path, compression):
    r = np.random.default_rng(0)
    grey = r.integers(0, 256, (6, 5)).astype(np.uint8)
    colour = r.integers(0, 256, (4, 3, 3)).astype(np.uint8)
    samples = [imu4(100 + i, range(i, i + 10)) for i in range(3)]
    triggers = [[("<q", 7), ("<b", 2)], [("<q", 8), None]]
    packets = [
        (1, frame4(40, grey)),
        (2, tables(b"IMUS", samples)),
        (3, tables(b"TRIG", triggers)),
        (1, frame4(41, colour, code=16, start=0, stop=0)),
        (2, tables(b"IMUS", [imu4(900, range(10))[:5]])),
    ]
    recording = open_events(aedat4_file(tmp_path / "a", packets, compression=compression))
    assert recording.num_events == 100
    assert recording.report.others == {"frames": 2, "imu samples": 4, "triggers": 2}
    first, second = recording.frames()
    assert (first.t, first.start, first.stop, first.x, first.y) == (40, 5, 9, 2, 3)
    np.testing.assert_array_equal(first.image, grey)
    assert (second.t, second.start, second.stop) == (41, 41, 41)
    np.testing.assert_array_equal(second.image, colour)
    imu = recording.imu()
    assert imu.t.tolist() == [100, 101, 102, 900]
    assert imu.temperature_N.tolist() == [0, 1, 2, 0]
    assert imu.acceleration_N3.tolist() == [[1, 2, 3], [2, 3, 4], [3, 4, 5], [1, 2, 3]]
    assert imu.rotation_N3[1].tolist() == [5, 6, 7]
    assert imu.field_N3[2].tolist() == [9, 10, 11]
    assert not imu.field_N3[3].any()
    found = recording.triggers()
    assert (found.t.tolist(), found.kind_N.tolist()) == ([7, 8], [2, 0])
    assert found.names[2] == "external signal, falling edge"


def test_aedat4_broken_packets_are_named_or_skipped(tmp_path):
    image = np.zeros((6, 5), np.uint8)
    good = (1, frame4(40, image))
    wrong = bytearray(frame4(41, image))
    wrong[wrong.index(struct.pack("<h", 6), 60)] = 7  # height, so that the pixels do not fit
    path = aedat4_file(tmp_path / "a", [good, (1, bytes(wrong)), good])
    with pytest.raises(EventFormatError, match=r"byte \d+: expected a readable packet, got a frame of 7 x 5 x 1 in 30"):
        list(open_events(path).frames())
    assert [frame.t for frame in open_events(path, mode="repair").frames()] == [40, 40]
    data = bytearray(path.read_bytes())
    at = data.rindex(b"FRME", 0, data.rindex(b"FRME")) - 16  # header of the second frame
    data[at : at + 8] = b"\xff" * 8
    path.write_bytes(data)
    with pytest.raises(EventFormatError, match=rf"byte {at}: expected a packet that ends before the index table"):
        list(open_events(path).frames())
    assert [frame.t for frame in open_events(path, mode="repair").frames()] == [40, 40]


def test_aedat4_items_that_all_lie_at_one_place_do_not_fill_the_memory(tmp_path):
    one, num = tables(b"IMUS", [imu4(1, range(10))]), (1 << 20) // 4
    many = one[:24] + struct.pack("<I", num) + bytes(4 * num)
    path = aedat4_file(tmp_path / "a", [(2, many)], compression="lz4")
    with pytest.raises(EventFormatError, match=r"expected a readable packet, got 262144 items in"):
        open_events(path).imu()
    assert len(open_events(path, mode="repair").imu().t) == 0


def packet3(kind, size, items, *, overflow=0):
    num = len(items)
    head = struct.pack("<HHIIIIII", kind, 1, size, 4, overflow, num, num, num)
    return head + b"".join(items)


def frame3(image, *, valid=1, channels=1):
    height, width = image.shape[:2]
    head = struct.pack("<I4I4i", channels << 1 | valid, 1, 2, 3, 4, width, height, 5, 6)
    return head + image.astype("<u2").tobytes()


def test_aedat3_gives_frames_samples_and_special_events(tmp_path):
    image = np.random.default_rng(0).integers(0, 1 << 16, (4, 7)).astype(np.uint16)
    colour = np.random.default_rng(1).integers(0, 1 << 16, (3, 3, 3)).astype(np.uint16)
    six = [struct.pack("<II7f", 1, 10 + i, *range(7)) for i in range(2)] + [struct.pack("<II7f", 0, 99, *range(7))]
    nine = [struct.pack("<II10f", 1, 20, *range(10))]
    special = [struct.pack("<II", 3 << 1 | 1, 5), struct.pack("<II", 2 << 1, 6)]
    data = HEAD3 + packet3(2, 36 + 56, [frame3(image), frame3(image, valid=0)], overflow=1)
    data += packet3(3, 36, six) + packet3(4, 48, nine, overflow=2) + packet3(0, 8, special)
    data += packet3(2, 36 + 54, [frame3(colour, channels=3)])
    (tmp_path / "a").write_bytes(data)
    recording = open_events(tmp_path / "a")
    first, second = recording.frames()
    base = 1 << 31
    assert (first.t, first.start, first.stop, first.x, first.y) == (base + 2, base + 3, base + 4, 5, 6)
    np.testing.assert_array_equal(first.image, image)
    np.testing.assert_array_equal(second.image, colour)
    imu = recording.imu()
    assert imu.t.tolist() == [10, 11, (2 << 31) + 20]
    assert imu.acceleration_N3[0].tolist() == [0, 1, 2]
    assert imu.rotation_N3[2].tolist() == [3, 4, 5]
    assert np.isnan(imu.field_N3[:2]).all()
    assert imu.field_N3[2].tolist() == [7, 8, 9]
    assert imu.temperature_N.tolist() == [6, 6, 6]
    triggers = recording.triggers()
    assert (triggers.t.tolist(), triggers.kind_N.tolist()) == ([5], [3])
    assert triggers.names[3] == "external signal, falling edge"


def test_aedat3_broken_packets_are_named_or_skipped(tmp_path):
    image = np.zeros((4, 7), np.uint16)
    broken = bytearray(frame3(image))
    broken[20:24] = struct.pack("<i", 700)  # width
    good = packet3(3, 36, [struct.pack("<II7f", 1, 10, *range(7))])
    (tmp_path / "a").write_bytes(HEAD3 + packet3(2, 92, [bytes(broken), frame3(image)]) + b"\xff" * 30 + good)
    with pytest.raises(
        EventFormatError, match=r"expected plain pixels of 16 bits that fit, got 4 x 700 x 1 in 56 bytes"
    ):
        list(open_events(tmp_path / "a").frames())
    repaired = open_events(tmp_path / "a", mode="repair")
    assert len(list(repaired.frames())) == 1
    assert repaired.imu().t.tolist() == [10]


def test_formats_without_other_streams_give_none(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3, [("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "?")]))
    recording = open_events(tmp_path / "a.npy")
    assert list(recording.frames()) == []
    assert len(recording.imu().t) == len(recording.triggers().t) == 0
    assert recording.imu().acceleration_N3.shape == (0, 3)


def test_a_mutated_file_ends_in_an_error_or_in_what_can_be_read(tmp_path):
    r = np.random.default_rng(7)
    image = np.zeros((6, 5), np.uint8)
    four = aedat4_file(tmp_path / "four", [(1, frame4(40, image)), (2, tables(b"IMUS", [imu4(1, range(10))] * 9))])
    three = tmp_path / "three"
    three.write_bytes(HEAD3 + packet3(2, 92, [frame3(np.zeros((4, 7)))]) + packet3(3, 36, [bytes(36)] * 3))
    for path in (four, three):
        whole = path.read_bytes()
        begin = len(whole) - 900 if path == four else len(HEAD3)
        for _ in range(400):
            data = bytearray(whole)
            for place in r.integers(begin, len(data), r.integers(1, 9)):
                data[place] = r.choice([0, 255, 128, r.integers(256)])
            path.write_bytes(data[: r.integers(begin, len(data) + 1)] if r.random() < 0.3 else data)
            for mode in ("strict", "repair"):
                for read in (lambda x: list(x.frames()), lambda x: x.imu(), lambda x: x.triggers()):
                    try:
                        read(open_events(path, mode=mode))
                    except EventFormatError:
                        assert mode == "strict"


@pytest.mark.skipif("RANVIER_DATA" not in os.environ, reason="needs the real files: set RANVIER_DATA")
def test_real_recordings_agree_with_themselves():
    home = Path(os.environ["RANVIER_DATA"]) / "event_formats"
    davis = open_events(home / "davis346_noisy.aedat4")
    frames, imu, triggers = list(davis.frames()), davis.imu(), davis.triggers()
    assert davis.report.others == {"frames": len(frames), "imu samples": len(imu.t), "triggers": len(triggers.t)}
    assert all(frame.image.shape == davis.size for frame in frames)
    # The camera announces each exposure by a trigger of its own.
    starts = set(triggers.t[triggers.kind_N == 8].tolist())
    assert sum(frame.start in starts for frame in frames) >= len(frames) - 1
    explorer = open_events(home / "dvxplorer_320x240.aedat4").imu()
    # Held still, it feels the gravity of the Earth, 1 g.
    assert abs(np.median(np.linalg.norm(explorer.acceleration_N3, axis=1)) - 1) < 0.1
    assert (np.diff(explorer.t) >= 0).all()
