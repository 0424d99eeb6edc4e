"""Tables of what meets along an axis, against torch on one-hot inputs."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from ranvier.kernels.sparse.sizes import from_last, sizes_of, to_last
from ranvier.kernels.sparse.tables import Window, adaptive, segments, table, targets

windows = st.builds(
    lambda kernel, stride, padding, dilation: Window(kernel, stride, padding, padding, dilation),
    st.integers(1, 4), st.integers(1, 3), st.integers(0, 3), st.integers(1, 3),
)  # fmt: skip


def meeting(size_in, size_out, product):
    """Which (output, input, kernel place) meet, found by feeding single ones."""
    found = set()
    for i in range(size_in):
        y = product(torch.eye(size_in)[i].reshape(1, 1, -1))
        assert y.shape[-1] == size_out
        found |= {(o, i, int(k) - 1) for o, k in enumerate(y.flatten().tolist()) if k}
    return found


@given(window=windows, size=st.integers(1, 12))
def test_taps_are_what_a_convolution_multiplies(window, size):
    out = window.size_out(size)
    if out < 1:
        return
    weight = torch.arange(1.0, window.kernel + 1).reshape(1, 1, -1)
    truth = meeting(size, out, lambda x: F.conv1d(x, weight, None, window.stride, window.before, window.dilation))
    taps = window.taps(size, out)
    assert {(o, i, k) for o, entries in enumerate(taps) for i, k in entries} == truth
    assert all(entries == sorted(entries) for entries in taps)


@given(window=windows, size=st.integers(1, 8))
def test_transposed_taps_are_what_a_transposed_convolution_multiplies(window, size):
    out = window.size_out_transposed(size, 0)
    if out < 1:
        return
    weight = torch.arange(1.0, window.kernel + 1).reshape(1, 1, -1)
    truth = meeting(
        size, out, lambda x: F.conv_transpose1d(x, weight, None, window.stride, window.before, 0, 1, window.dilation)
    )
    taps = window.taps_transposed(size, out)
    assert {(o, i, k) for o, entries in enumerate(taps) for i, k in entries} == truth
    assert all(entries == sorted(entries) for entries in taps)


@given(size=st.integers(1, 20), out=st.integers(1, 20))
def test_adaptive_windows_are_torchs(size, out):
    x = torch.arange(float(size)).reshape(1, 1, -1)
    means = [sum(i for i, _ in entries) / len(entries) for entries in adaptive(size, out)]
    torch.testing.assert_close(torch.tensor(means), F.adaptive_avg_pool1d(x, out).flatten())


@given(window=windows, size=st.integers(1, 12))
def test_segments_and_targets_say_the_same_as_taps(window, size):
    out = max(window.size_out(size), 0)
    taps = window.taps(size, out)
    truth = {(o, i, k) for o, entries in enumerate(taps) for i, k in entries}
    joined = segments(taps)
    first, end, kernel = joined.columns
    spelled = {
        (o, first[s] + n, kernel[s] + n)
        for o in range(out) for s in range(joined.start[o], joined.start[o + 1]) for n in range(end[s] - first[s])
    }  # fmt: skip
    assert spelled == truth
    back = targets(taps, size)
    outputs, places = back.columns
    turned = {(outputs[n], i, places[n]) for i in range(size) for n in range(back.start[i], back.start[i + 1])}
    assert turned == truth


def test_a_plain_window_is_one_segment_an_output():
    assert segments(Window(3, 1, 1, 1).taps(5, 5)) == table(
        [[(0, 2, 1)], [(0, 3, 0)], [(1, 4, 0)], [(2, 5, 0)], [(3, 5, 0)]], 3
    )


@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_channels_last_and_back_is_the_same(shape):
    x = torch.rand(2, *shape)
    seen = to_last(x)
    assert tuple(seen.shape[1:]) == sizes_of(shape)
    assert torch.equal(from_last(seen, shape), x)
