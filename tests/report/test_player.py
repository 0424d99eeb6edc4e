"""Letters: E events."""

import base64
import json
import re

import numpy as np
import pytest

from ranvier.core.errors import ShapeError
from ranvier.report import player

SIZE = (30, 40)


def columns(number=500, seed=0):
    random = np.random.default_rng(seed)
    t = np.sort(random.integers(7_000_000_000, 7_002_000_000, number))
    x, y = random.integers(0, 40, number), random.integers(0, 30, number)
    return t, x, y, random.integers(0, 2, number)


def embedded(page):
    given = json.loads(re.search(r'<script type="application/json" id="events">(.*?)</script>', page)[1])
    kinds = {"t": "<u4", "x": "<u2", "y": "<u2", "p": "u1"}
    return {name: np.frombuffer(base64.b64decode(given[name]), kind) for name, kind in kinds.items()}, given


def test_the_events_are_in_the_page_to_the_last_bit():
    t, x, y, polarity = columns()
    held, given = embedded(player(t, x, y, polarity, size=SIZE, title="a"))
    np.testing.assert_array_equal(held["t"], t - t[0])
    for name, values in (("x", x), ("y", y), ("p", polarity)):
        np.testing.assert_array_equal(held[name], values)
    assert given["size"] == [30, 40]
    assert given["span"] == t[-1] - t[0]


def test_the_page_asks_nothing_of_the_network_and_runs_only_its_own_script():
    page = player(*columns(), size=SIZE, title="a")
    assert not re.search(r"(src|href)=|url\(|https?://", page)
    assert "default-src 'none'" in page
    assert re.search(r"script-src 'sha256-[\w+/=]{44}'", page)


def test_what_a_file_says_of_itself_cannot_become_part_of_the_page():
    page = player(*columns(), size=SIZE, title="<script>x</script>", facts=[("<b>", "</dd><img>")])
    assert "<script>x" not in page
    assert "<img" not in page
    assert "&lt;script&gt;x" in page


def test_of_too_many_events_one_of_each_k_is_shown_and_it_is_said():
    t, x, y, polarity = columns(1001)
    page = player(t, x, y, polarity, size=SIZE, title="a", most=300)
    held, _ = embedded(page)
    shown = held["t"].astype(np.int64) + t[0]
    assert len(shown) == 251
    for k, time in enumerate(shown):
        assert time in t[4 * k : 4 * k + 4]
    assert (shown[:-1] != t[:1000:4]).any()  # at no fixed step
    assert "Of 1,001 events one of each 4 is on this page." in page
    assert page == player(t, x, y, polarity, size=SIZE, title="a", most=300)
    assert "1,001" in page


def test_recordings_longer_than_32_bits_of_microseconds_are_told_more_coarsely():
    t = np.array([0, 3 * 2**32])
    held, given = embedded(player(t, [1, 2], [1, 2], [0, 1], size=SIZE, title="a"))
    assert held["t"][-1] == given["span"] == 3 * 2**32 // 4
    assert given["span"] < 2**32


def test_an_empty_recording_has_a_page():
    page = player(*(np.zeros(0, int) for _ in range(4)), size=SIZE, title="nothing")
    assert embedded(page)[0]["t"].size == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({1: np.zeros(3, int)}, "player: expected four columns (E,), got (500,), (3,), (500,), (500,)."),
        ({1: np.full(500, 40)}, "player: expected pixels within 30 x 40, got others."),
        ({2: np.full(500, -1)}, "player: expected pixels within 30 x 40, got others."),
    ],
)
def test_what_is_no_recording_is_refused(change, message):
    given = [change.get(i, c) for i, c in enumerate(columns())]
    with pytest.raises(ShapeError) as caught:
        player(*given, size=SIZE, title="a")
    assert str(caught.value) == message
