import sys
from types import ModuleType

import pytest

from ranvier.core import extension
from ranvier.core.errors import ExecutorError
from ranvier.core.extension import Extension


@pytest.fixture(autouse=True)
def forget():
    yield
    extension.load.cache_clear()


def test_a_module_that_is_there_is_given():
    found = Extension("ranvier.core.errors", "errors")
    assert found.absence() is None
    assert isinstance(found.module("a test"), ModuleType)
    assert found.module("a test") is sys.modules["ranvier.core.errors"]


def test_a_module_that_is_absent_is_told_of_and_refused():
    found = Extension("ranvier.core._no_such", "the compiled part", mend="Build it.")
    assert found.absence() == (
        "the compiled extension ranvier.core._no_such cannot be imported (No module named 'ranvier.core._no_such')"
    )
    with pytest.raises(
        ExecutorError, match=r"a test: expected the compiled part, got the compiled extension .* Build it"
    ):
        found.module("a test")


def test_one_loader_serves_all_four():
    from ranvier.data.formats import native as decoders
    from ranvier.kernels.cpu import machine
    from ranvier.kernels.recurrent import loop
    from ranvier.kernels.sparse import native as events

    names = {part.EXTENSION.name for part in (decoders, machine, loop, events)}
    assert {name.rpartition(".")[2] for name in names} == {"_decoders", "_machine", "_loop", "_events"}
