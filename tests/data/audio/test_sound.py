import numpy as np
import pytest

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.data.audio import Sound


def test_whole_numbers_of_16_bits_are_scaled_to_full_scale():
    sound = Sound(np.array([-32768, 0, 16384], np.int16), 1000)
    assert sound.samples.tolist() == [-1.0, 0.0, 0.5]
    assert sound.samples.dtype == np.float32
    assert (len(sound), sound.duration) == (3, 3.0)


@pytest.mark.parametrize(
    ("samples", "rate", "error", "message"),
    [
        (np.zeros((2, 3), np.float32), 8000, ShapeError, "Sound: expected samples (N,) of one channel, got (2, 3)."),
        (np.zeros(3), 8000, ConfigError, "Sound: expected samples of float32 or int16, got float64."),
        (np.zeros(3, np.float32), 0, ConfigError, "Sound.rate: expected a number of samples a second, got 0."),
    ],
)
def test_what_is_no_sound_is_refused(samples, rate, error, message):
    with pytest.raises(error) as caught:
        Sound(samples, rate)
    assert str(caught.value) == message
