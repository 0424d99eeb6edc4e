import subprocess
import sys

import pytest

from ranvier import systems
from ranvier.core.errors import UnknownNameError


def test_an_unknown_system_lists_near_names():
    with pytest.raises(UnknownNameError) as caught:
        systems.load("stpb")
    assert "got 'stpb'. Did you mean 'stbp'?" in str(caught.value)


def test_naming_the_systems_imports_none_of_them_and_no_torch():
    code = "import sys, ranvier.systems as s; assert 'stbp' in s.names(); sys.exit(int('torch' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
