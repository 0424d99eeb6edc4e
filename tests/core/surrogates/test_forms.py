"""Each surrogate against the closed form of its source: values, symmetry, area, errors."""

import math

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.core.surrogates import (
    ATan,
    FastSigmoid,
    Gaussian,
    Leaky,
    PiecewiseExponential,
    PotentialDependent,
    Rectangle,
    Sigmoid,
    StraightThrough,
    Triangle,
)

X = np.array([-2.0, -0.9, -0.3, -0.01, 0.0, 0.2, 0.7, 1.5])
CASES = {
    "ATan": (ATan(alpha=3.0), 1.5 / (1 + (np.pi * 1.5 * X) ** 2)),
    "Sigmoid": (Sigmoid(alpha=5.0), 5.0 / (2 + 2 * np.cosh(5.0 * X))),
    "FastSigmoid": (FastSigmoid(k=10.0), 1 / (10 * np.abs(X) + 1) ** 2),
    "Triangle": (Triangle(gamma=0.3, width=0.8), 0.3 * np.maximum(0, 1 - np.abs(X / 0.8))),
    "Rectangle": (Rectangle(width=0.8), (np.abs(X) < 0.4) / 0.8),
    "Gaussian": (Gaussian(sigma=0.7), np.exp(-(X**2) / (2 * 0.49)) / np.sqrt(2 * np.pi * 0.49)),
    "erf": (Gaussian.from_erf(2.0), 2 / np.sqrt(np.pi) * np.exp(-((2 * X) ** 2))),
    "PiecewiseExponential": (PiecewiseExponential(alpha=2.0), np.exp(-2 * np.abs(X))),
    "Leaky": (Leaky(leak=0.2), np.where(X >= 0, 1.0, 0.2)),
    "StraightThrough": (StraightThrough(), np.ones_like(X)),
    "PotentialDependent": (
        PotentialDependent(sigma=0.6),
        np.exp(-((X - 0.3) ** 2) / (2 * 0.36)) / (np.sqrt(2 * np.pi) * 0.6),
    ),
}
SYMMETRIC = ["ATan", "Sigmoid", "FastSigmoid", "Triangle", "Rectangle", "Gaussian", "erf", "PiecewiseExponential"]
# area under the derivative over the whole line, from the closed forms
AREAS = {
    "ATan": 1.0, "Sigmoid": 1.0, "FastSigmoid": 2 / 10, "Triangle": 0.3 * 0.8, "Rectangle": 1.0, "Gaussian": 1.0,
    "erf": 1.0, "PiecewiseExponential": 1.0, "PotentialDependent": 1.0,
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_derivative_is_that_of_the_source(name):
    surrogate, expected = CASES[name]
    np.testing.assert_allclose(surrogate.derivative(torch.from_numpy(X)).numpy(), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", SYMMETRIC)
def test_the_derivative_is_symmetric_and_the_primitive_turns_around_one_half(name):
    surrogate, _ = CASES[name]
    x = torch.linspace(0, 4, 101, dtype=torch.float64)
    torch.testing.assert_close(surrogate.derivative(x), surrogate.derivative(-x))
    torch.testing.assert_close(surrogate.primitive(x) + surrogate.primitive(-x), torch.ones_like(x))


@pytest.mark.parametrize("name", AREAS)
def test_the_area_is_that_of_the_closed_form(name):
    surrogate, _ = CASES[name]
    far = torch.tensor([-1e30, 1e30], dtype=torch.float64)
    low, high = surrogate.primitive(far).tolist()
    assert math.isclose(high - low, AREAS[name], rel_tol=1e-12)
    x = torch.linspace(-200, 200, 400_001, dtype=torch.float64)
    # The tails beyond +-200 hold 1 / (100 pi^2 alpha) of the arctangent, 1 / (100 k^2) of the fast sigmoid.
    assert math.isclose(torch.trapezoid(surrogate.derivative(x), x).item(), AREAS[name], abs_tol=2e-3)


def test_the_fast_sigmoid_keeps_its_limits_in_half_precision():
    x = torch.tensor([-60000.0, 60000.0], dtype=torch.float16)
    torch.testing.assert_close(
        FastSigmoid(k=25.0).primitive(x).double(), torch.tensor([0.46, 0.54]).double(), atol=1e-3, rtol=0
    )


def test_the_potential_dependent_density_peaks_at_half_a_sigma():
    x = torch.linspace(-3, 3, 6001, dtype=torch.float64)
    assert math.isclose(x[PotentialDependent(sigma=0.8).derivative(x).argmax()].item(), 0.4, abs_tol=1e-3)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ATan(alpha=0.0), r"ATan\.alpha: expected a number > 0, got 0\.0\."),
        (lambda: Sigmoid(alpha=-1.0), r"Sigmoid\.alpha: expected a number > 0, got -1\.0\."),
        (lambda: FastSigmoid(k=0), r"FastSigmoid\.k: expected a number > 0, got 0\.0\."),
        (lambda: Triangle(gamma=0.0), r"Triangle\.gamma: expected a number > 0, got 0\.0\."),
        (lambda: Triangle(width=-2.0), r"Triangle\.width: expected a number > 0 mV, got -2\.0\."),
        (lambda: Rectangle(width=0.0), r"Rectangle\.width: expected a number > 0 mV, got 0\.0\."),
        (lambda: Gaussian(sigma=float("nan")), r"Gaussian\.sigma: expected a number > 0 mV, got nan\."),
        (lambda: PiecewiseExponential(alpha=0.0), r"PiecewiseExponential\.alpha: expected a number > 0, got 0\.0\."),
        (lambda: Leaky(leak=1.5), r"Leaky\.leak: expected a number from 0 to 1, got 1\.5\."),
        (
            lambda: PotentialDependent(sigma=torch.tensor([1.0, 0.0])),
            r"PotentialDependent\.sigma: expected a number > 0 mV, got a tensor with values in \[0, 1\]\.",
        ),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(make, text):
    with pytest.raises(ConfigError, match=text):
        make()


def test_widths_may_carry_a_unit():
    assert Rectangle(width="500 uV").width == 0.5
