import numpy as np
import pytest
import torch

from ranvier.core.errors import DtypeError, NonFiniteError, ShapeError
from ranvier.data.camera.light import brightness, intensity, log_intensity, low_pass


def test_the_logarithm_is_linear_below_20_of_255_and_joins_without_a_step():
    x = torch.tensor([0.0, 10, 20, 20.000001, 100, 255], dtype=torch.float64)
    want = [0, np.log(20) / 2, np.log(20), np.log(20), np.log(100), np.log(255)]
    np.testing.assert_allclose(log_intensity(x / 255), want, atol=1e-6)


def test_brightness_goes_from_one_fourteenth_to_one():
    np.testing.assert_allclose(brightness(torch.tensor([0.0, 1.0])), [20 / 275, 1])


def test_the_low_pass_solves_its_equation():
    start, stop, before, tau, duration = 2.0, 5.0, 1.0, 3.0, 4.0
    y, steps = before, 200_000
    for k in range(steps):  # midpoint of the input, Euler: error of order duration / steps
        y += duration / steps / tau * (start + (stop - start) * (k + 0.5) / steps - y)
    values = (torch.tensor(v, dtype=torch.float64) for v in (before, start, stop, tau))
    assert float(low_pass(*values, duration)) == pytest.approx(y, abs=2e-5)


def test_one_step_of_the_low_pass_is_two_of_half_the_length():
    before, start, stop, tau = (torch.tensor(v, dtype=torch.float64) for v in (0.3, 1.0, -2.0, 0.7))
    middle = (start + stop) / 2
    halves = low_pass(low_pass(before, start, middle, tau, 1.0), middle, stop, tau, 1.0)
    np.testing.assert_allclose(halves, low_pass(before, start, stop, tau, 2.0), rtol=1e-14)


@pytest.mark.parametrize(
    ("frame", "kind", "text"),
    [
        (torch.rand(3, 4, 5), ShapeError, r"Camera: expected a grey frame \(H, W\), got \(3, 4, 5\). Average the colours"),
        (torch.rand(0, 5), ShapeError, "Camera: expected a grey frame"),
        (torch.zeros(2, 2, dtype=torch.int64), DtypeError, "Camera: expected bytes, or floats with 1 for white, got torch.int64"),
        (torch.tensor([[0.5, torch.nan]]), NonFiniteError, "Camera: expected finite intensities >= 0"),
        (torch.tensor([[0.5, -0.1]]), NonFiniteError, "got NaN, infinity or a negative one"),
    ],
)  # fmt: skip
def test_what_is_no_grey_frame_is_refused(frame, kind, text):
    with pytest.raises(kind, match=text):
        intensity(frame, "Camera")


def test_bytes_and_floats_are_one_scale():
    frame = torch.arange(256).view(16, 16)
    np.testing.assert_allclose(intensity(frame.to(torch.uint8), "x"), intensity(frame.double() / 255, "x"))
