import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError, ShapeError, StateError
from ranvier.core.seeds import generator
from ranvier.data import Camera

NOISY = Camera(mismatch=0.03, leak_hz=5.0, shot_hz=20.0, refractory="0.5 ms", cutoff_hz=100.0)


def frames_of(log_THW):
    """Frames of given log intensities, ln(20) < L."""
    return torch.from_numpy(np.exp(np.asarray(log_THW, float)) / 255)


def ramp(rise, num_frames=2, low=3.2, duration=100_000):
    """A pixel whose log intensity rises on a line; (frames, times)."""
    times = np.linspace(0, duration, num_frames).round().astype(int)
    return frames_of((low + rise * times / duration).reshape(-1, 1, 1)), times


def rows(events):
    return list(zip(*(c.tolist() for c in (events.t, events.x, events.y, events.polarity)), strict=True))


@pytest.mark.parametrize("num_frames", [2, 3, 6, 101])
def test_a_ramp_of_log_intensity_fires_each_time_it_has_risen_by_a_threshold(num_frames):
    up = Camera(contrast_on=0.15)(*ramp(2.2, num_frames))
    np.testing.assert_allclose(up.t, 100_000 * 0.15 / 2.2 * np.arange(1, 15), atol=0.51)  # floor(2.2 / 0.15) = 14
    assert up.polarity.all()
    down = Camera(contrast_off=0.3)(*ramp(-2.2, num_frames, low=5.5))
    np.testing.assert_allclose(down.t, 100_000 * 0.3 / 2.2 * np.arange(1, 8), atol=0.51)
    assert not down.polarity.any()


def test_a_rise_of_just_five_thresholds_fires_five_times():
    assert len(Camera(contrast_on=0.2)(*ramp(1.0))) == 5
    assert len(Camera(contrast_on=0.2)(*ramp(0.999))) == 4


@pytest.mark.parametrize("num_frames", [2, 8, 51])
def test_refractory_time_adds_to_each_interval(num_frames):
    got = Camera(contrast_on=0.2, refractory="3 ms")(*ramp(2.0, num_frames))
    want = 10_000 + 13_000 * np.arange(7)  # 0.2 of 2.0 in 100 ms are 10 ms, then 3 ms of rest before each
    np.testing.assert_allclose(got.t, want, atol=0.51)


def test_leak_alone_fires_on_events_at_its_rate():
    still = torch.full((21, 3, 4), 0.5)
    got = Camera(leak_hz=10.0, mismatch=0.03)(still, range(0, 1_050_000, 50_000), generator(0))
    assert got.polarity.all()
    for y, x in np.ndindex(3, 4):  # whatever the threshold of the pixel
        np.testing.assert_allclose(got.t[(got.y == y) & (got.x == x)], 100_000 * np.arange(1, 11), atol=1)
    slow = Camera(leak_hz=10.0, refractory=25.0)(still, range(0, 1_050_000, 50_000))
    np.testing.assert_allclose(slow.t[(slow.x == 0) & (slow.y == 0)], 100_000 + 125_000 * np.arange(8), atol=1)


def test_a_flickering_patch_fires_as_often_up_as_down_and_nothing_else_does():
    rise, cycles = 1.07, 6  # five thresholds of 0.2 and a rest
    log = np.full((2 * cycles + 1, 6, 8), 4.0)
    log[1::2, 1:4, 2:7] += rise
    times = 10_000 * np.arange(2 * cycles + 1)
    got = Camera()(frames_of(log), times)
    assert set(rows(got)) <= {(t, x, y, p) for t, _, _, p in rows(got) for x in range(2, 7) for y in range(1, 4)}
    one = got[(got.x == 3) & (got.y == 2)]
    up, down = one.t[one.polarity == 1], one.t[one.polarity == 0]
    first = 10_000 * 0.2 * np.arange(1, 6) / rise  # up: from rest, five times
    rest = rise - 5 * 0.2
    back = 10_000 * (rest + 0.2 * np.arange(1, 6)) / rise  # down: the rest first, and just to the start in the end
    np.testing.assert_allclose(up, (20_000 * np.arange(cycles)[:, None] + first).ravel(), atol=0.51)
    np.testing.assert_allclose(down, (20_000 * np.arange(cycles)[:, None] + 10_000 + back).ravel(), atol=0.51)
    assert len(got) == 15 * cycles * 10


def test_a_moving_edge_reaches_each_column_when_it_should():
    """A slope of log intensity, 4 pixels wide, moves 1 pixel a millisecond: its ends pass pixels at frames."""
    width, wide, rise = 12, 4, 1.3
    times = 1000 * np.arange(width + wide)
    log = 3.5 + rise * np.clip((times[:, None] / 1000 - np.arange(width)) / wide, 0, 1)
    got = Camera(contrast_on=0.25)(frames_of(np.repeat(log[:, None], 2, axis=1)), times)
    for x in range(width):
        for y in range(2):
            want = 1000 * (x + wide * 0.25 / rise * np.arange(1, 6))  # floor(1.3 / 0.25) = 5
            np.testing.assert_allclose(got.t[(got.x == x) & (got.y == y)], want, atol=0.51)
    assert got.polarity.all()


def test_a_step_behind_the_low_pass_is_an_exponential():
    low, high, cutoff = 0.2, 0.6, 20.0
    times = np.r_[0, 1, 1 + 2000 * np.arange(1, 30)]
    frames = torch.full((len(times), 1, 2), low)
    frames[1:, :, 0] = high
    frames[:, :, 1] *= 0.5  # half as bright: slower; and still
    frames[1:, :, 1] = high * 0.5
    got = Camera(cutoff_hz=cutoff, contrast_on=0.05)(frames, times)
    for x, scale in ((0, 1.0), (1, 0.5)):
        tau = 1e6 / (2 * math.pi * cutoff * (255 * high * scale + 20) / 275)
        level = np.log(high / low) * (1 - np.exp(-(times[1:] - 1) / tau))
        counts = [(got.t[got.x == x] <= t).sum() for t in times[1:]]
        np.testing.assert_array_equal(counts, np.floor(level / 0.05))
        assert counts[-1] > 15


def test_thresholds_of_pixels_differ_as_asked_and_stay():
    frames, times = ramp(2.0, 3)
    frames = frames.expand(3, 50, 60)
    camera = Camera(contrast_on=0.2, contrast_off=0.3, mismatch=0.03)
    state = camera.rest(frames[0], 0, generator(0))
    for thresholds, mean in ((state.on, 0.2), (state.off, 0.3)):
        assert float(thresholds.mean()) == pytest.approx(mean, abs=4 * 0.03 / np.sqrt(3000))
        assert float(thresholds.std()) == pytest.approx(0.03, rel=0.06)
    got = camera(frames, times, generator(0))
    counts = np.bincount(got.y.astype(int) * 60 + got.x, minlength=3000)
    np.testing.assert_array_equal(counts, np.floor(2.0 / state.on.flatten().numpy() + 1e-9))
    assert Camera(mismatch=1.0).rest(frames[0], 0, generator(0)).on.min() == 0.01


@pytest.mark.parametrize("light", [0.0, 1.0])
def test_shot_noise_comes_at_its_rate_more_in_the_dark(light):
    still = torch.full((11, 40, 50), light)
    got = Camera(shot_hz=10.0)(still, range(0, 1_100_000, 100_000), generator(0))
    expected = 10.0 * (1 - 0.75 * (255 * light + 20) / 275) * 2000
    assert abs(len(got) - expected) < 4 * np.sqrt(expected)
    assert abs(got.polarity.mean() - 0.5) < 4 * 0.5 / np.sqrt(expected)
    quarters = np.histogram(got.t, bins=4, range=(0, 1_000_000))[0]
    assert (abs(quarters - expected / 4) < 4 * np.sqrt(expected / 4)).all()
    per_pixel = np.bincount(got.y.astype(int) * 50 + got.x, minlength=2000)
    assert per_pixel.var() == pytest.approx(per_pixel.mean(), rel=0.15)  # Poisson


def test_noise_resets_the_pixel_so_the_next_crossing_comes_a_whole_interval_later():
    frames, times = ramp(2.0, 5)
    got = Camera(shot_hz=400.0)(frames.expand(5, 8, 9), times, generator(0))
    whole = 0
    for y, x in np.ndindex(8, 9):
        pixel = got[(got.x == x) & (got.y == y)]
        gaps = np.diff(pixel.t, prepend=0)
        assert gaps.max() <= 10_001  # 0.2 of 2.0 in 100 ms
        assert (gaps[pixel.polarity == 0] <= 10_000).all()  # on a ramp up, OFF is noise
        whole += (abs(gaps - 10_000) <= 1).sum()
    assert whole > 100
    assert (got.polarity == 0).sum() > 100


def test_noise_too_is_followed_by_the_refractory_time():
    still = torch.full((6, 8, 9), 0.0)
    got = Camera(shot_hz=2000.0, refractory="1 ms")(still, range(0, 120_000, 20_000), generator(0))
    gaps = np.concatenate([np.diff(got.t[(got.x == x) & (got.y == y)]) for y, x in np.ndindex(8, 9)])
    assert gaps.min() >= 999  # times are rounded to us
    rate = 2000 * (1 - 0.75 * 20 / 275)  # a dead time d makes a rate r into r / (1 + r d)
    assert gaps.mean() == pytest.approx(1e6 / rate + 1000, rel=0.05)


def test_the_same_seed_gives_the_same_events_and_steps_give_the_whole():
    r = np.random.default_rng(0)
    frames = torch.from_numpy(r.random((9, 13, 11)))
    times = np.cumsum(r.integers(500, 20_000, 9))
    whole = NOISY(frames, times, generator(4))
    assert rows(whole) == rows(NOISY(frames, times, generator(4)))
    assert rows(whole) != rows(NOISY(frames, times, generator(5)))
    one = generator(4)
    state, seen = NOISY.rest(frames[0], times[0], one), []
    for frame, t in zip(frames[1:], times[1:], strict=True):
        before = [part.clone() for part in state[1:]]
        after, events = NOISY.step(state, frame, int(t), one)
        assert all(torch.equal(a, b) for a, b in zip(before, state[1:], strict=True))  # a state is a value
        assert ((events.t >= state.t) & (events.t <= t)).all()
        seen += rows(events)
        state = after
    assert seen == rows(whole)
    assert rows(whole) == sorted(rows(whole), key=lambda row: (row[0], row[2], row[1]))
    streamed = NOISY.stream(zip(times, frames, strict=True), generator(4))
    assert [row for block in streamed for row in rows(block)] == seen


def test_the_state_follows_from_rest_even_at_late_times():
    frames, times = ramp(2.2, 3)
    early, late = Camera(refractory=3.0)(frames, times), Camera(refractory=3.0)(frames, times + 2**50)
    np.testing.assert_array_equal(late.t - 2**50, early.t)


def test_one_frame_or_a_still_scene_gives_no_event():
    assert len(Camera()(torch.rand(1, 3, 4), [0])) == 0
    got = Camera()(torch.full((5, 3, 4), 0.3), range(5))
    assert len(got) == 0
    assert got.size == (3, 4)


def test_bytes_are_frames_too():
    frames = (torch.rand(4, 5, 6, generator=generator(0)) * 255).to(torch.uint8)
    assert rows(Camera()(frames, range(0, 4000, 1000))) == rows(Camera()(frames.double() / 255, range(0, 4000, 1000)))


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: Camera(contrast_on=0.0), ConfigError, "Camera.contrast_on: expected a threshold >= 0.001, got 0.0"),
        (lambda: Camera(leak_hz=-1.0), ConfigError, "Camera.leak_hz: expected an amount >= 0, got -1.0"),
        (lambda: replace(NOISY, refractory=-1), ConfigError, "Camera.refractory: expected a time >= 0, got -1"),
        (lambda: Camera()(torch.rand(2, 3, 4), [0]), ShapeError, r"Camera: expected grey frames \(T, H, W\) and T times"),
        (lambda: Camera()(torch.rand(2, 3, 4), [5, 5]), StateError, "Camera: expected a time after 5 us.*got 5 us"),
        (lambda: Camera(mismatch=0.1)(torch.rand(2, 3, 4), [0, 1]), ConfigError, "generator, which draws the thresholds.*or set mismatch=0"),
        (lambda: Camera(shot_hz=1.0)(torch.rand(2, 3, 4), [0, 1]), ConfigError, "generator, which draws the noise.*or set shot_hz=0"),
        (lambda: Camera().step(Camera().rest(torch.rand(2, 2), 0), torch.rand(2, 3), 1), StateError, r"expected a frame of \(2, 2\), got \(2, 3\)"),
    ],
)  # fmt: skip
def test_mistakes_are_named(call, kind, text):
    with pytest.raises(kind, match=text):
        call()
