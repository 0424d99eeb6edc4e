import pytest

from ranvier.report import words


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "0"), (-0.0001, "0"), (1.5, "1.5"), (2.0, "2"), (100.0, "100"), (3.14159, "3.14")],
)
def test_numbers_have_no_digits_that_say_nothing(value, expected):
    assert words.number(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "0"), (0.00012, "1.2e-4"), (0.25, "0.25"), (999, "999"), (12_000, "12k"), (1_234_567, "1.23M"),
     (5e9, "5G"), (3e12, "3T"), (2e15, "2e15"), (-1500, "-1.5k"), (1e-3, "0.001")],
)  # fmt: skip
def test_short_numbers(value, expected):
    assert words.short(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "0 pJ"), (12.34, "12.3 pJ"), (4600, "4.6 nJ"), (4.627e6, "4.63 µJ"), (2e9, "2 mJ"), (1e12, "1 J")],
)
def test_energies_take_the_unit_that_fits(value, expected):
    assert words.energy(value) == expected
