import pytest

from ranvier.core.errors import UnitError, UnknownNameError
from ranvier.core.units import parse, to_steps


@pytest.mark.parametrize(
    ("quantity", "unit", "value"),
    [
        ("10 ms", "ms", 10.0), ("0.01s", "ms", 10.0), ("250 us", "ms", 0.25), ("-70 mV", "mV", -70.0),
        ("1 V", "mV", 1000.0), ("2 kHz", "Hz", 2000.0), ("281 pF", "pF", 281.0), ("1e-1 nA", "pA", 100.0),
        ("20", "ms", 20.0), (20, "ms", 20.0), (2.5, "1", 2.5), ("4.6 pJ", "pJ", 4.6), (" 3 µs ", "ms", 0.003),
    ],
)  # fmt: skip
def test_quantity_is_read_in_the_wanted_unit(quantity, unit, value):
    assert parse(quantity, unit) == pytest.approx(value, rel=1e-15)


def test_unit_of_another_kind_is_refused():
    with pytest.raises(UnitError, match="LIF.tau_m: expected a time in ms, got '10 mV', a potential"):
        parse("10 mV", "ms", where="LIF.tau_m")


def test_unknown_unit_lists_near_ones():
    with pytest.raises(UnknownNameError, match="expected a known unit"):
        parse("10 mss", "ms")


@pytest.mark.parametrize("quantity", ["ms", "", "ten ms", "1 2 ms", "nan ms x"])
def test_what_is_no_quantity_is_refused(quantity):
    with pytest.raises(UnitError, match='expected a number with a unit, such as "10 ms"'):
        parse(quantity, "ms")


def test_steps_from_time_and_from_count():
    assert to_steps("10 ms", dt=0.5) == 20
    assert to_steps(10.0, dt=0.5) == 20
    assert to_steps(7, dt=0.5) == 7
    assert to_steps(0.0, dt=1.0) == 0


@pytest.mark.parametrize("duration", [-1, "-3 ms", "0.1 ms"])
def test_negative_or_vanishing_durations_are_refused(duration):
    with pytest.raises(UnitError, match="at least one step of 1.0 ms"):
        to_steps(duration, dt=1.0)
