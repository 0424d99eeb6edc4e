import pytest

from ranvier.core.errors import ConfigError
from ranvier.measure.constants import HOROWITZ_45NM, Constants


def test_the_usual_constants_name_their_source():
    assert (HOROWITZ_45NM.mac_pj, HOROWITZ_45NM.ac_pj) == (4.6, 0.9)
    assert "Horowitz" in HOROWITZ_45NM.source
    assert "45 nm" in HOROWITZ_45NM.source


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_an_impossible_energy_is_refused(value):
    with pytest.raises(ConfigError, match=r"Constants.ac_pj: expected an energy >= 0 pJ, got "):
        Constants(mac_pj=1.0, ac_pj=value, source="")
