import numpy as np
import pytest
import torch

from ranvier.data.camera.pixels import Comparators, Lines, advance


def tick_by_tick(level, until, slope, begin, end, on, off, refractory, dt=0.01):
    """One pixel, in small steps of time."""
    events, now = [], begin
    while now < end:
        now += dt
        if now <= until:
            level = 0.0
            continue
        level += slope * min(dt, now - until)
        if level >= on or level <= -off:
            events.append((now, level > 0))
            level, until = (0.0, now + refractory) if refractory else (level - (on if level > 0 else -off), until)
    return events, level, until


@pytest.mark.parametrize("refractory", [0.0, 1.7])
def test_events_are_those_of_a_simulation_in_small_steps(refractory):
    r = np.random.default_rng(0)
    num = 60
    on, off = r.uniform(0.5, 2, num), r.uniform(0.5, 2, num)
    level, slope = r.uniform(-0.5, 0.5, num), r.normal(size=num)
    begin, end = r.uniform(0, 3, num), r.uniform(20, 40, num)
    until = np.where(r.random(num) < 0.3, r.uniform(0, 45, num), 0.0)
    slope[:3], until[3] = 0.0, 50.0
    t = [torch.from_numpy(v) for v in (level, until, slope, begin, end, on, off)]
    after, fired = advance(Comparators(*t[:2]), Lines(*t[2:5]), t[5], t[6], refractory=refractory)
    total = 0
    for n in range(num):
        held = level[n] if until[n] <= begin[n] else 0.0
        events, want_level, _ = tick_by_tick(held, until[n], slope[n], begin[n], end[n], on[n], off[n], refractory)
        mine = fired.pixel == n
        times = fired.time[mine].numpy()
        expected = [time for time, _ in events]
        if len(expected) != len(times):  # one on the very end
            assert abs(len(expected) - len(times)) == 1
            assert max([*expected, *times]) > end[n] - 0.5
            continue
        np.testing.assert_allclose(times, expected, atol=0.3)  # a step late at each event
        assert (fired.polarity[mine].numpy() == [up for _, up in events]).all()
        assert float(after.level[n]) == pytest.approx(want_level, abs=0.3)
        total += len(events)
    assert total > 300
    assert (fired.time <= t[4][fired.pixel]).all()
    assert (fired.time > t[3][fired.pixel]).all()


def test_a_line_cut_in_two_gives_the_same_events():
    r = np.random.default_rng(1)
    num = 200
    on, off, slope = (torch.from_numpy(v) for v in (r.uniform(0.5, 2, num), r.uniform(0.5, 2, num), r.normal(size=num)))
    zero, end = torch.zeros(num, dtype=torch.float64), torch.full((num,), 30.0, dtype=torch.float64)
    cut = torch.from_numpy(r.uniform(0, 30, num))
    rest = Comparators(zero, zero)
    after, whole = advance(rest, Lines(slope, zero, end), on, off, refractory=1.3)
    half, first = advance(rest, Lines(slope, zero, cut), on, off, refractory=1.3)
    last, second = advance(half, Lines(slope, cut, end), on, off, refractory=1.3)
    pixel, time = torch.cat([first.pixel, second.pixel]), torch.cat([first.time, second.time])
    order = np.lexsort((time, pixel))
    np.testing.assert_array_equal(pixel[order], whole.pixel)
    np.testing.assert_allclose(time[order], whole.time, rtol=1e-12)
    np.testing.assert_allclose(last.level, after.level, atol=1e-12)
