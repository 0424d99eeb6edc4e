"""Print the polynomial coefficients of maths.hpp: Chebyshev interpolation in 60 digits, rewritten in powers.

Run: python csrc/coefficients.py (needs mpmath, which comes with torch).
"""

from collections.abc import Callable

import mpmath as mp

mp.mp.dps = 60


def fit(f: Callable[[mp.mpf], mp.mpf], low: float, high: float, degree: int) -> list[mp.mpf]:
    """Interpolate f on [low, high] at the Chebyshev nodes; return the coefficients, constant first."""
    nodes = [mp.cos(mp.pi * (2 * k + 1) / (2 * degree + 2)) for k in range(degree + 1)]
    points = [(mp.mpf(high) - low) / 2 * x + (mp.mpf(high) + low) / 2 for x in nodes]
    matrix = mp.matrix([[p**n for n in range(degree + 1)] for p in points])
    return list(mp.lu_solve(matrix, mp.matrix([f(p) for p in points])))


def show(name: str, f: Callable[[mp.mpf], mp.mpf], low: float, high: float, degree: int) -> None:
    """Print one array of coefficients and the largest relative error."""
    c = fit(f, low, high, degree)
    grid = [mp.mpf(low) + (mp.mpf(high) - low) * k / 1000 for k in range(1, 1000)]
    error = max(abs(mp.polyval(c[::-1], x) / f(x) - 1) for x in grid)
    values = ", ".join(mp.nstr(x, 20) for x in c)
    print(f"// {name}: relative error {mp.nstr(error, 2)}\n{{{values}}}\n")  # noqa: T201 - it is a script


if __name__ == "__main__":
    root = mp.sqrt
    show("exp(x) on [-0.3466, 0.3466], (exp(x) - 1) / x", lambda x: mp.expm1(x) / x, -0.3466, 0.3467, 7)
    show("atan(x) / x in x^2, x <= tan(pi/8)", lambda z: mp.atan(root(z)) / root(z), 0, 0.1716, 7)
    show("erf(x) / x in x^2, x <= 1", lambda z: mp.erf(root(z)) / root(z), 0, 1, 8)
    show(
        "erfc(x) exp(x^2) in (x - 2.5) / 1.5",
        lambda u: mp.erfc(1.5 * u + 2.5) * mp.exp((1.5 * u + 2.5) ** 2),
        -1,
        1,
        14,
    )
    show("sin(x) / x in x^2, x <= pi/4", lambda z: mp.sin(root(z)) / root(z), 0, 0.617, 5)
    show("cos(x) in x^2, x <= pi/4", lambda z: mp.cos(root(z)), 0, 0.617, 5)
    show("log(m) / s in s^2, s = (m-1)/(m+1) <= 0.1716", lambda z: 2 * mp.atanh(root(z)) / root(z), 0, 0.02945, 4)
