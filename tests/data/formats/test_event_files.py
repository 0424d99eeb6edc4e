"""Real recordings of every format against figures computed with published decoders."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from ranvier.data import open_events

pytestmark = pytest.mark.skipif("RANVIER_DATA" not in os.environ, reason="needs real recordings: set RANVIER_DATA")
FILES = {
    "prophesee_evt2.raw": "evt2",
    "prophesee_evt3.raw": "evt3",
    "ncars_obj_004397_td.dat": "dat",
    "eventstream_dvs.es": "es",
    "dvxplorer_320x240.aedat4": "aedat4",
    "davis346_noisy.aedat4": "aedat4",
    "dvs128_walking.aedat": "aedat2",
    "davis240_translboxes.aedat": "aedat2",
    "simulated_moving_dot_346.aedat": "aedat2",
    "slider_depth_events_chunk.txt.gz": "text",
}
# What a figure of expected.json counts, in a recording's events and report.
FIGURES = {
    "n": lambda e, r: len(e),
    "n_dvs": lambda e, r: len(e),
    "t_first": lambda e, r: e.t[0],
    "t_last": lambda e, r: e.t[-1],
    "n_on": lambda e, r: e.polarity.sum(),
    "x_min": lambda e, r: e.x.min(),
    "x_max": lambda e, r: e.x.max(),
    "y_min": lambda e, r: e.y.min(),
    "y_max": lambda e, r: e.y.max(),
    "sum_x": lambda e, r: e.x.sum(dtype=np.int64),
    "sum_y": lambda e, r: e.y.sum(dtype=np.int64),
    "sum_x_addr": lambda e, r: e.x.sum(dtype=np.int64),
    "sum_y_addr": lambda e, r: e.y.sum(dtype=np.int64),
    "t_sorted": lambda e, r: bool((np.diff(e.t) >= 0).all()),
    "n_t_decreasing": lambda e, r: (np.diff(e.t) < 0).sum(),
    "first3": lambda e, r: [[e.t[i], e.x[i], e.y[i], e.polarity[i]] for i in range(3)],
    "last": lambda e, r: [e.t[-1], e.x[-1], e.y[-1], e.polarity[-1]],
    "frames": lambda e, r: r.others.get("frames", 0),
    "imu_samples": lambda e, r: r.others.get("imu samples", 0),
    "n_aps_imu": lambda e, r: r.others.get("frame and IMU words", 0),
    "n_special": lambda e, r: r.others.get("triggers", 0),
    "n_words": lambda e, r: len(e) + sum(r.others.values()),
}
NOT_COUNTED = {"raw_first3", "raw_xor", "header_bytes", "note", "convention", "columns"}


def folder():
    return Path(os.environ["RANVIER_DATA"]) / "event_formats"


@pytest.mark.parametrize("mode", ["strict", "repair"])
@pytest.mark.parametrize("file", FILES)
def test_a_real_recording_agrees_with_published_decoders(file, mode):
    expected = json.loads((folder() / "expected.json").read_text())[file]
    recording = open_events(folder() / file, mode=mode)
    assert recording.format.name == FILES[file]
    events, report = recording.read_with_report()
    assert report.clean
    assert set(expected) <= set(FIGURES) | NOT_COUNTED
    for name in set(expected) & set(FIGURES):
        figure = FIGURES[name](events, report)
        if file.endswith(".txt.gz") and name in ("t_first", "t_last"):
            expected[name] = round(expected[name] * 1e6)  # seconds there
        assert figure == expected[name], name
    if "header_bytes" in expected:
        assert recording.metadata["header_bytes"] == expected["header_bytes"]


def test_every_recording_has_its_test():
    assert set(json.loads((folder() / "expected.json").read_text())) == set(FILES)


def test_evt3_agrees_event_by_event():
    events = open_events(folder() / "prophesee_evt3.raw").read()
    with np.load(folder() / "prophesee_evt3_events.npz") as stored:
        for name, ours in (("t", events.t), ("x", events.x), ("y", events.y), ("p", events.polarity)):
            np.testing.assert_array_equal(ours, stored[name])
    again = open_events(folder() / "prophesee_evt3_events.npz").read()
    np.testing.assert_array_equal(again.t, events.t)


@pytest.mark.parametrize("file", FILES)
def test_a_real_recording_in_small_chunks_is_the_same(file):
    whole = open_events(folder() / file).read()
    part = open_events(folder() / file, chunk_bytes=30_011).read()
    for name in ("t", "x", "y", "polarity"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name))


def test_the_davis_recording_is_the_one_of_the_optical_flow_set():
    events = open_events(folder() / "davis240_translboxes.aedat").read()
    with np.load(folder().parent / "optical_flow" / "davis240_motion.npz") as stored:
        np.testing.assert_array_equal(239 - events.x, stored["trans_boxes_real_x"])
        np.testing.assert_array_equal(events.polarity, stored["trans_boxes_real_p"])
        np.testing.assert_array_equal(np.diff(events.t), np.diff(stored["trans_boxes_real_t"].astype(np.int64)))


def test_nmnist_is_recognised_without_a_magic_number():
    for path in sorted((folder().parent / "nmnist" / "raw_bin").glob("*.bin")):
        recording = open_events(path)
        assert recording.format.name == "nmnist_bin"
        assert recording.num_events == path.stat().st_size // 5
