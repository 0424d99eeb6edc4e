"""Letters: T frames, F frequencies, K bands."""

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.data.audio import Cochlea, Mel, Sound

RATE = 8000


def tone(frequency, *, amplitude=0.5, ms=500):
    t = np.arange(RATE * ms // 1000) / RATE
    return Sound((amplitude * np.sin(2 * np.pi * frequency * t)).astype(np.float32), RATE)


def mel(frequency):
    return 2595 * np.log10(1 + frequency / 700)


@pytest.mark.parametrize("bank", [Mel(num_bands=24), Cochlea(num_bands=24)])
@pytest.mark.parametrize("band", [3, 11, 20])
def test_a_tone_is_loudest_in_the_band_whose_centre_it_is(bank, band):
    centre = float(bank.centres(RATE / 2)[band])
    heard_TK = bank(tone(centre))
    assert heard_TK.shape == (51, 24)
    assert heard_TK[10:-10].argmax(1).eq(band).all()


def test_mel_centres_are_equidistant_in_mel_and_1000_hz_is_1000_mel():
    assert mel(1000) == pytest.approx(1000, abs=0.1)
    centres = Mel(num_bands=9, low=100.0, high=3000.0).centres(3000.0).numpy().astype(float)
    np.testing.assert_allclose(mel(centres), np.linspace(mel(100), mel(3000), 11)[1:-1], rtol=1e-5)


def test_mel_triangles_add_up_to_one_between_the_outer_centres():
    bank, frequencies_F = Mel(num_bands=12), torch.linspace(0, 4000, 2001)
    weights_KF = bank.weights(frequencies_F, 4000.0)
    centres = bank.centres(4000.0)
    inside = (frequencies_F >= centres[0]) & (frequencies_F <= centres[-1])
    torch.testing.assert_close(weights_KF.sum(0)[inside], torch.ones(int(inside.sum())), rtol=0, atol=1e-4)


def test_gammatones_have_their_width_where_the_critical_bands_do():
    bank, frequencies_F = Cochlea(num_bands=12), torch.linspace(0, 4000, 400_001, dtype=torch.float64)
    weights_KF = bank.weights(frequencies_F, 4000.0)
    centres = bank.centres(4000.0).double()
    assert torch.allclose(frequencies_F[weights_KF.argmax(1)], centres, atol=0.02)
    # The area under |H|^2 of a gammatone of order 4 is pi 6! / (2^6 3!^2) = 0.982 b, 1.0006 ERB: what 1.019 is for.
    area_K = torch.trapezoid(weights_KF, frequencies_F)[2:8]
    erb_K = (24.7 * (4.37 * centres / 1000 + 1))[2:8]
    torch.testing.assert_close(area_K, 1.0006 * erb_K, rtol=5e-3, atol=0)


def test_cochlear_centres_are_equidistant_on_the_scale_of_critical_bands():
    centres = Cochlea(num_bands=7, low=100.0, high=3000.0).centres(3000.0).numpy().astype(float)
    numbers = 21.4 * np.log10(4.37 * np.array([100, *centres, 3000]) / 1000 + 1)
    np.testing.assert_allclose(np.diff(numbers), np.diff(numbers)[0], rtol=1e-4)


def test_twice_the_amplitude_adds_log_4_to_mel_and_multiplies_the_cochlea_by_a_power_of_4():
    soft, loud = tone(700.0, amplitude=0.2), tone(700.0, amplitude=0.4)
    bank = Mel(floor=1e-30)
    torch.testing.assert_close(bank(loud) - bank(soft), torch.full((51, 32), np.log(4.0)), rtol=0, atol=2e-3)
    torch.testing.assert_close(Cochlea()(loud), Cochlea()(soft) * 4**0.3, rtol=1e-4, atol=1e-6)


def test_frames_are_as_many_as_asked_and_what_is_missing_is_silence():
    whole, short, long = Cochlea()(tone(500.0)), *(Cochlea(num_frames=n)(tone(500.0)) for n in (20, 80))
    assert short.shape == (20, 32)
    assert long.shape == (80, 32)
    torch.testing.assert_close(long[:48], whole[:48])
    torch.testing.assert_close(short[:18], whole[:18])
    assert long[-20:].abs().max() == 0


def test_times_may_have_units_and_one_sample_is_enough():
    assert torch.equal(Mel(hop="0.02 s")(tone(500.0)), Mel(hop=20.0)(tone(500.0)))
    assert Mel()(Sound(np.ones(1, np.float32), RATE)).shape == (1, 32)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mel(num_bands=0), "Mel.num_bands: expected at least 1, got 0."),
        (lambda: Mel(num_frames=0), "Mel.num_frames: expected at least 1, or None, got 0."),
        (lambda: Cochlea(low=0.0), "Cochlea.low: expected a frequency > 0 and below high, got 0.0 Hz."),
        (lambda: Cochlea(low=500.0, high=400.0), "Cochlea.low: expected a frequency > 0 and below high"),
        (lambda: Mel(hop=0.0), "Mel.hop: expected a time > 0 ms, got 0.0."),
        (lambda: Mel(high=5000.0)(tone(500.0)), "between 80 Hz and 4000 Hz, half the rate of the sound, got 5000 Hz."),
    ],
)
def test_impossible_banks_are_refused(make, message):
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in str(caught.value)


def test_an_empty_sound_is_refused():
    with pytest.raises(ShapeError, match="Mel: expected a sound with at least one sample, got an empty one."):
        Mel()(Sound(np.zeros(0, np.float32), RATE))
