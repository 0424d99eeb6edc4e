from typing import Literal

import pytest
import torch

from ranvier.core.errors import ConfigError, UnitError, UnknownNameError
from ranvier.core.params import Described, bind, parameters, require_positive, unit_of
from ranvier.core.units import Ms, Mv


class Inner(Described):
    alpha: float = 2.0


class Outer(Described):
    tau: Ms = 10.0
    v_th: Mv = 1.0
    bare: float = 1.0
    count: int = 3
    mode: Literal["a", "b"] = "a"
    inner: Inner = Inner()

    def __post_init__(self):
        super().__post_init__()
        require_positive(self, "tau")


def test_parameters_are_the_floats_and_tensors_found_at_any_depth():
    assert parameters(Outer()) == {"tau": 10.0, "v_th": 1.0, "bare": 1.0, "inner.alpha": 2.0}


def test_units_are_converted_and_whole_numbers_become_floats():
    outer = Outer(tau="0.02 s", v_th=15)
    assert outer.tau == 20.0
    assert isinstance(outer.v_th, float)
    assert isinstance(outer.count, int)
    assert outer.mode == "a"


def test_unit_of_a_field_is_in_its_annotation():
    assert unit_of(Outer, "tau") == "ms"
    assert unit_of(Outer, "bare") == "1"


def test_unit_that_does_not_fit_names_the_field():
    with pytest.raises(UnitError, match="Outer.tau: expected a time in ms"):
        Outer(tau="3 mV")
    with pytest.raises(UnitError, match="Outer.bare"):
        Outer(bare="3 mV")


@pytest.mark.parametrize(("tau", "got"), [(0.0, "0.0"), (-1.0, "-1.0"), (float("nan"), "nan")])
def test_parameters_that_make_no_sense_are_refused(tau, got):
    with pytest.raises(ConfigError, match=f"Outer.tau: expected a number > 0 ms, got {got}"):
        Outer(tau=tau)


def test_every_value_of_a_tensor_is_checked():
    with pytest.raises(ConfigError, match=r"a tensor with values in \[-1, 2\]"):
        Outer(tau=torch.tensor([-1.0, 2.0]))


def test_descriptions_are_frozen():
    with pytest.raises(AttributeError):
        Outer().tau = 3.0


def test_equal_descriptions_are_equal_and_hash_alike():
    assert Outer(tau=3.0) == Outer(tau="3 ms")
    assert hash(Outer(tau=3.0)) == hash(Outer(tau=3))
    assert Outer() != Outer(mode="b")
    assert Outer() != Inner()


def test_descriptions_with_tensors_are_equal_only_with_the_same_tensor():
    tau = torch.ones(3)
    assert Outer(tau=tau) == Outer(tau=tau)
    assert Outer(tau=tau) != Outer(tau=torch.ones(3))
    assert Outer(tau=tau) != Outer(tau=1.0)


def test_replace_checks_names_and_values():
    assert Outer().replace(tau="5 ms").tau == 5.0
    with pytest.raises(UnknownNameError, match="Did you mean 'tau'"):
        Outer().replace(taau=5.0)
    with pytest.raises(ConfigError, match="Outer.tau"):
        Outer().replace(tau=-5.0)


def test_bind_puts_anything_in_place_of_parameters_at_any_depth():
    marker = object()
    bound = bind(Outer(), {"tau": marker, "inner.alpha": 7.0})
    assert bound.tau is marker
    assert bound.inner.alpha == 7.0
    assert bound.v_th == 1.0
    assert Outer().inner.alpha == 2.0
    with pytest.raises(UnknownNameError, match="Outer: expected a known parameter"):
        bind(Outer(), {"tua": 1.0})


def test_a_name_that_does_not_exist_lists_near_ones():
    with pytest.raises(UnknownNameError) as caught:
        Outer(taum=3.0)
    assert str(caught.value).endswith("got 'taum'. Did you mean 'tau'?")


def test_a_value_without_a_name_is_refused():
    with pytest.raises(ConfigError, match=r"Outer: expected parameters by name, got 3.0. Write Outer\(name=value\)."):
        Outer(3.0)


@pytest.mark.parametrize(
    ("value", "got"), [("exponential", "got 'exponential'."), (Outer(), "got Outer("), (Inner, "Write Inner().")]
)
def test_a_part_of_another_kind_is_refused_where_it_is_given(value, got):
    with pytest.raises(ConfigError) as caught:
        Outer(inner=value)
    assert "Outer.inner: expected a Inner such as Inner(), got " in str(caught.value)
    assert got in str(caught.value)
