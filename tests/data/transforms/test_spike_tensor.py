import numpy as np
import pytest

from ranvier.core.errors import ConfigError
from ranvier.data import AlphaKernel, ExponentialKernel, SpikeTensor, TriangleKernel, Voxels

TAU = 6000
KERNELS = {
    "triangle": (TriangleKernel(width="9 ms"), lambda s: max(0, 1 - abs(s) / 9000)),
    "exponential": (ExponentialKernel(tau=6.0), lambda s: np.exp(-s / TAU) if s >= 0 else 0),
    "alpha": (AlphaKernel(tau="6 ms"), lambda s: s / TAU * np.exp(1 - s / TAU) if s >= 0 else 0),
}


def slow(events, num_bins, kernel, measure):
    out = np.zeros((num_bins, 2, *events.size))
    first, span = int(events.t[0]), events.duration
    for b in range(num_bins):
        at = first + (b * span / (num_bins - 1) if num_bins > 1 else span)
        for t, x, y, p in zip(events.t, events.x, events.y, events.polarity, strict=True):
            out[b, p, y, x] += (1 if measure == "count" else (int(t) - first) / span) * kernel(at - int(t))
    return out


@pytest.mark.parametrize("measure", ["time", "count"])
@pytest.mark.parametrize("num_bins", [1, 5])
@pytest.mark.parametrize("name", KERNELS)
def test_each_kernel_agrees_with_the_equation(recording, same_on_device, name, num_bins, measure):
    kernel, formula = KERNELS[name]
    events = recording()
    got = same_on_device(SpikeTensor(num_bins=num_bins, kernel=kernel, measure=measure), events)
    np.testing.assert_allclose(got, slow(events, num_bins, formula, measure), rtol=1e-5, atol=1e-6)
    assert got.max() > 0


def test_counting_with_the_triangle_of_the_bins_is_the_voxel_grid(recording):
    events = recording()
    got = SpikeTensor(num_bins=6, measure="count")(events)
    np.testing.assert_allclose(got, Voxels(num_bins=6, polarity="split")(events), atol=1e-5)


def test_no_events_give_zeros(recording):
    assert not SpikeTensor(num_bins=3)(recording(0)).any()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: SpikeTensor(num_bins=0), "SpikeTensor.num_bins"),
        (lambda: SpikeTensor(num_bins=1, measure="polarity"), "SpikeTensor.measure: expected 'time' or 'count'"),
        (lambda: ExponentialKernel(tau=0.0), "ExponentialKernel.tau: expected a time of at least 1 us"),
        (lambda: AlphaKernel(tau=-1.0), "AlphaKernel.tau"),
        (lambda: TriangleKernel(width=0), "TriangleKernel.width"),
    ],
)
def test_senseless_options_are_refused(make, text):
    with pytest.raises(ConfigError, match=text):
        make()
