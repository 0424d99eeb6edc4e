import json

import numpy as np
import pytest

from ranvier.data.events import Events
from ranvier.data.formats import dat, evt2
from ranvier.data.open import open_events


@pytest.fixture
def recording(tmp_path):
    """Thirty events of a 34 x 34 sensor, as DAT, in the folder where commands run."""
    random = np.random.default_rng(0)
    t = np.sort(random.integers(1000, 500_000, 30))
    events = Events.of(
        t, random.integers(0, 34, 30), random.integers(0, 34, 30), random.integers(0, 2, 30), size=(34, 34)
    )
    dat.FORMAT.write(tmp_path / "walk.dat", events)
    return events


def test_info_prints_the_facts_and_that_all_is_sound(shell, recording):
    result = shell("data", "info", "walk.dat", "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["format"].startswith("dat (")
    assert facts["events"] == 30
    assert facts["sensor"].startswith("34 x 34")
    assert facts["first at"] == f"{recording.t[0]} us"
    assert facts["health"] == ["sound: nothing was left out or changed"]
    page = shell("data", "info", "walk.dat").stdout
    assert "34 x 34" in page
    assert "sound" in page


@pytest.mark.parametrize(("name", "more"), [("a.npz", ()), ("a.csv", ()), ("a.raw", ("--to", "evt2")), ("b/c.h5", ())])
def test_a_conversion_keeps_every_event_and_its_time(shell, recording, tmp_path, name, more):
    result = shell("data", "convert", "walk.dat", name, *more)
    assert result.exit_code == 0, result.output
    assert name in result.stdout
    back = open_events(tmp_path / name).read()
    for column in ("t", "x", "y", "polarity"):
        np.testing.assert_array_equal(getattr(back, column), getattr(recording, column))


def test_a_torn_file_is_not_sound_and_check_says_where(shell, recording, tmp_path):
    data = (tmp_path / "walk.dat").read_bytes()
    (tmp_path / "torn.dat").write_bytes(data[:-3])
    result = shell("data", "check", "walk.dat", "torn.dat")
    assert result.exit_code == 1
    assert "walk.dat: sound" in result.stdout
    assert "torn.dat: not sound" in result.stdout
    assert "partial record: 1 times, first at" in result.stdout
    assert shell("data", "check", "walk.dat").exit_code == 0
    machine = json.loads(shell("data", "check", "torn.dat", "--json").stdout)
    assert machine["torn.dat"]["sound"] is False


def test_what_is_no_recording_is_not_sound_either(shell, tmp_path):
    (tmp_path / "note.txt").write_bytes(b"\x00\x01 nothing here")
    assert shell("data", "check", "note.txt").exit_code == 1
    refused = shell("data", "info", "note.txt")
    assert refused.exit_code == 2
    assert "EventFormatError: note.txt: byte 0: expected a known format" in refused.stderr


def test_a_broken_file_is_converted_only_if_repair_is_asked_for(shell, recording, tmp_path):
    data = (tmp_path / "walk.dat").read_bytes()
    (tmp_path / "torn.dat").write_bytes(data[:-3])
    refused = shell("data", "convert", "torn.dat", "a.npz")
    assert refused.exit_code == 2
    assert 'Read it with mode="repair"' in refused.stderr
    assert not (tmp_path / "a.npz").exists()
    assert shell("data", "convert", "torn.dat", "a.npz", "--repair").exit_code == 0
    assert len(open_events(tmp_path / "a.npz").read()) == 29


def test_view_makes_a_page_a_picture_and_a_moving_one(shell, recording, tmp_path):
    assert shell("data", "view", "walk.dat").exit_code == 0
    assert "<title>walk.dat</title>" in (tmp_path / "walk.dat.html").read_text()
    assert shell("data", "view", "walk.dat", "--out", "a.png").exit_code == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert shell("data", "view", "walk.dat", "--out", "a.gif", "--frames", "5").exit_code == 0
    from PIL import Image

    with Image.open(tmp_path / "a.gif") as moving:
        assert (moving.n_frames, moving.size) == (5, (374, 374))
    with Image.open(tmp_path / "a.png") as still:
        pixels = np.asarray(still)[::11, ::11]
    hit = np.zeros((34, 34), bool)
    hit[recording.y, recording.x] = True
    np.testing.assert_array_equal((pixels != 255).any(-1), hit)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("convert", "walk.dat", "a.raw"), "ranvier data convert: expected a name ending in .dat,"),
        (("convert", "walk.dat", "a.npz", "--to", "evt9"), "got 'evt9'. Did you mean 'evt3'"),
        (("convert", "walk.dat", "walk.dat"), "expected another file to write to, got walk.dat."),
        (("view", "walk.dat", "--out", "a.bmp"), "expected a name ending in .html, .png or .gif, got a.bmp."),
        (("view", "walk.dat", "--out", "a.gif", "--frames", "99999"), "expected at most 67108864 pixels in all"),
        (("view", "walk.dat", "--out", "walk.dat/a.png"), "RunError: walk.dat/a.png: expected a writable file"),
        (("info", "none.dat"), "DataError: none.dat: expected a readable file"),
    ],
)
def test_what_cannot_be_done_is_said(shell, recording, words, message):
    result = shell("data", *words)
    assert result.exit_code == 2
    assert message in result.stderr


def test_an_empty_recording_can_be_drawn_too(shell, tmp_path):
    evt2.FORMAT.write(tmp_path / "empty.raw", Events.of([], [], [], [], size=(8, 8)))
    for name in ("e.html", "e.png", "e.gif"):
        assert shell("data", "view", "empty.raw", "--out", name).exit_code == 0
