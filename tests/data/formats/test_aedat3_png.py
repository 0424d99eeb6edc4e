"""Frames of AEDAT 3.1 packed as PNG."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ranvier.core.errors import EventFormatError
from ranvier.data import open_events
from ranvier.data.formats import aedat3
from tests.data.formats.battery import mutate, some_events
from tests.data.formats.test_compiled import check
from tests.data.formats.test_streams import HEAD3, frame3, packet3

R = np.random.default_rng(3)
IMAGE = R.integers(0, 1 << 16, (5, 7)).astype(np.uint16)


def png(image):
    """What Pillow writes."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def by_hand(width, height, depth=16, colour=0, rows=None, interlaced=0):
    """A PNG image from its chunks."""
    rows = b"" if rows is None else rows
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)),
        (b"IDAT", zlib.compress(rows)),
    )
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (*chunks, (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + body


def packed3(image, data=None, *, valid=1, channels=1, size=None):
    head = bytearray(frame3(np.zeros((1, 1)), valid=valid, channels=channels)[:36])
    head[3] |= 0x80
    head[20:28] = struct.pack("<ii", image.shape[1], image.shape[0])
    data = png(image) if data is None else data
    return bytes(head) + struct.pack("<i", len(data) if size is None else size) + data


def packet(items, *, overflow=0, capacity=None):
    """A packet of packed frames."""
    body = b"".join(items)
    size = 36 + 2 * IMAGE.size
    return (
        struct.pack(
            "<HHIIIIII",
            2 | 1 << 15,
            1,
            size,
            4,
            overflow,
            len(body) if capacity is None else capacity,
            len(items),
            len(items),
        )
        + body
    )


def frames(path, data, **how):
    path.write_bytes(HEAD3.replace(b"RAW", b"PNGFrames") + data)
    return list(open_events(path, **how).frames())


def test_packed_frames_hold_the_pixels_that_were_packed(tmp_path):
    other = R.integers(0, 1 << 16, (3, 4)).astype(np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in other)
    data = packet(
        [packed3(IMAGE), frame3(other), packed3(other, valid=0), packed3(other, by_hand(4, 3, rows=rows))], overflow=1
    )
    first, second, third = frames(tmp_path / "a", data + packet3(3, 36, [struct.pack("<II7f", 1, 10, *range(7))]))
    assert (first.t, first.start, first.stop, first.x, first.y) == ((1 << 31) + 2, (1 << 31) + 3, (1 << 31) + 4, 5, 6)
    np.testing.assert_array_equal(first.image, IMAGE)
    np.testing.assert_array_equal(second.image, other)
    np.testing.assert_array_equal(third.image, other)
    assert first.image.dtype == np.uint16
    assert open_events(tmp_path / "a").imu().t.tolist() == [10]


def test_events_around_packed_frames_are_read(tmp_path):
    made = some_events(300)
    body = aedat3.to_bytes(made)
    body = body[body.index(b"#!END-HEADER\r\n") + 14 :]
    data = (
        HEAD3.replace(b"RAW", b"PNGFrames") + packet([packed3(IMAGE), packed3(IMAGE)]) + body + packet([packed3(IMAGE)])
    )
    (tmp_path / "a").write_bytes(data)
    events, report = open_events(tmp_path / "a").read_with_report()
    np.testing.assert_array_equal(events.t, made.t)
    assert report.others["frames"] == 3
    check(tmp_path / "a", "aedat3", data, (1 << 20, 300, 77, 1))


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (packed3(IMAGE, png(IMAGE)[:60]), r"expected a grey PNG image of 5 x 7, 16 bits, got a broken PNG image \("),
        (packed3(IMAGE, b"hello"), "got a PNG image of 5 bytes"),
        (packed3(IMAGE, bytes(80)), "got no PNG image"),
        (packed3(IMAGE, png(IMAGE[:4])), "got a PNG image of 4 x 7, 16 bits, colours 0, interlaced 0"),
        (packed3(IMAGE, png(IMAGE.astype(np.uint8))), "got a PNG image of 5 x 7, 8 bits"),
        (packed3(IMAGE, by_hand(7, 5, colour=2)), "got a PNG image of 5 x 7, 16 bits, colours 2"),
        (packed3(IMAGE, by_hand(7, 5, interlaced=1)), "interlaced 1"),
        (packed3(IMAGE, by_hand(7, 5, rows=b"\0" * 20)), "got a broken PNG image"),
        (packed3(IMAGE, by_hand(7, 5, rows=b"\x09" * 75)), "got a broken PNG image|unknown"),
        (packed3(np.broadcast_to(np.uint16(0), (30_000, 30_000)), by_hand(30_000, 30_000)), "more than 16777216 bytes"),
        (packed3(IMAGE, channels=3), "got 3 channels as PNG, of which Pillow gives 8 of 16 bits"),
        (
            packed3(IMAGE, size=10_000),
            r"expected a frame that ends within its packet, got 10040 bytes declared, \d+ left",
        ),
        (packed3(IMAGE, size=-1), "expected a frame that ends within its packet"),
        (packed3(IMAGE)[:38], "expected a frame that ends within its packet, got 38 bytes"),
        (packed3(IMAGE)[:30], "expected a frame that ends within its packet, got 30 bytes"),
    ],
)
def test_images_that_are_broken_or_others_than_the_frame_says_are_refused(frame, text, tmp_path):
    after = packet([packed3(IMAGE)])
    with pytest.raises(EventFormatError, match=text):
        frames(tmp_path / "a", packet([frame]) + after)
    assert len(frames(tmp_path / "a", packet([frame]) + after, mode="repair")) == 1


def test_a_packed_frame_in_a_plain_packet_is_refused(tmp_path):
    frame = packed3(IMAGE)
    with pytest.raises(EventFormatError, match="expected plain pixels of 16 bits that fit, got .* packed"):
        frames(tmp_path / "a", packet3(2, len(frame), [frame]))


def test_packets_beyond_the_file_are_refused(tmp_path):
    with pytest.raises(EventFormatError, match="expected the header of a packet that ends within the file"):
        frames(tmp_path / "a", packet([packed3(IMAGE)], capacity=1 << 20))


def test_mutated_packed_frames_are_read_or_refused(tmp_path):
    data, r, refused = packet([packed3(IMAGE), frame3(IMAGE), packed3(IMAGE)]), np.random.default_rng(9), 0
    for _ in range(500):
        broken = mutate(data, r)
        try:
            frames(tmp_path / "a", broken)
        except EventFormatError:
            refused += 1
        frames(tmp_path / "a", broken, mode="repair")
    assert refused > 100
