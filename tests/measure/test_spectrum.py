"""Spatial spectra, against waves whose frequency is known."""

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.measure.spectrum import high_frequency_share, radial_amplitude, relative_log_amplitude


def wave(cycles_down, cycles_across, size=32):
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return torch.cos(2 * torch.pi * (cycles_down * y + cycles_across * x).double() / size)


@pytest.mark.parametrize(("down", "across", "ring"), [(0, 0, 0), (0, 2, 1), (4, 0, 2), (9, 12, 7), (16, 16, 7)])
def test_a_wave_lies_in_the_ring_of_its_frequency(down, across, ring):
    amplitude = radial_amplitude(wave(down, across), 8)
    assert amplitude.argmax().item() == ring
    assert (amplitude > 1e-6).sum() == 1


def test_the_average_over_maps_is_that_of_their_amplitudes():
    maps = torch.stack([wave(0, 2), 3 * wave(0, 2)])[None]
    torch.testing.assert_close(radial_amplitude(maps, 8), 2 * radial_amplitude(wave(0, 2), 8))


def test_relative_log_amplitude_of_a_filter_is_the_logarithm_of_its_gain():
    noise = torch.randn(400, 32, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    smooth = (noise + noise.roll(1, -1) + noise.roll(1, -2) + noise.roll((1, 1), (-2, -1))) / 4
    fall = relative_log_amplitude(smooth, 8) - relative_log_amplitude(noise, 8)
    assert fall[0] == 0
    assert (fall.diff() < 0).all()
    assert fall[-1] < np.log(0.4)


def test_the_share_of_high_frequencies_forgets_the_mean():
    low, high = wave(0, 3), wave(0, 12)
    assert high_frequency_share(low + 5) == pytest.approx(0, abs=1e-12)
    assert high_frequency_share(high + 5) == pytest.approx(1)
    assert high_frequency_share(low + 2 * high) == pytest.approx(0.8)
    assert high_frequency_share(torch.ones(2, 4, 4)) == 0.0


def test_what_is_no_map_is_refused():
    with pytest.raises(ShapeError, match=r"^radial_amplitude: expected maps \(..., H, W\), got \(4,\)\.$"):
        radial_amplitude(torch.ones(4), 4)
    with pytest.raises(ConfigError, match=r"^radial_amplitude\.rings: expected at least 2, got 1\.$"):
        radial_amplitude(torch.ones(4, 4), 1)
    with pytest.raises(ShapeError, match="high_frequency_share"):
        high_frequency_share(torch.ones(0, 4))
