import subprocess
import sys

import pytest

from ranvier import systems
from ranvier.core.errors import UnknownNameError
from ranvier.systems import supervised


def test_an_unknown_system_lists_near_names():
    with pytest.raises(UnknownNameError) as caught:
        systems.load("stpb")
    assert "got 'stpb'. Did you mean 'stbp'?" in str(caught.value)


def test_naming_the_systems_imports_none_of_them_and_no_torch():
    code = "import sys, ranvier.systems as s; assert 'stbp' in s.names(); sys.exit(int('torch' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_part_tells_how_far_all_parts_are_by_its_name():
    told = []
    for index in range(2):
        tell = supervised.part(lambda done, words: told.append((done, words)), index, 2, ("", "b")[index])
        tell(0.5, "x")
        tell(1.0, "y")
    assert told == [(0.25, "x"), (0.5, "y"), (0.75, "b: x"), (1.0, "b: y")]
