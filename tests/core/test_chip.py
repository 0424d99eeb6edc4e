import pytest

from ranvier.core.chip import Chip, Cost, NumberFormat
from ranvier.core.errors import ConfigError


def test_number_format_knows_its_range():
    assert (NumberFormat(bits=8).lowest, NumberFormat(bits=8).highest) == (-128.0, 127.0)
    assert (NumberFormat(bits=8, fraction=7).lowest, NumberFormat(bits=8, fraction=7).highest) == (-1.0, 127 / 128)
    assert (NumberFormat(bits=4, signed=False).lowest, NumberFormat(bits=4, signed=False).highest) == (0.0, 15.0)


@pytest.mark.parametrize(
    ("kwargs", "text"), [({"bits": 0}, "1 to 64 bits"), ({"bits": 8, "fraction": 9}, "0 to 8 bits")]
)
def test_impossible_number_formats_are_refused(kwargs, text):
    with pytest.raises(ConfigError, match=text):
        NumberFormat(**kwargs)


def test_a_chip_needs_a_core_and_a_neuron():
    parts = {"name": "test", "source": "none", "weight": NumberFormat(bits=8), "state": NumberFormat(bits=24)}
    assert Chip(**parts, num_cores=1, neurons_per_core=1, costs={"synop": Cost(energy=0.1, source="s")}).num_cores == 1
    with pytest.raises(ConfigError, match="Chip.num_cores: expected at least 1, got 0"):
        Chip(**parts, num_cores=0, neurons_per_core=1)
