"""What holds for the facts of every data set."""

import hashlib
import inspect
from importlib import import_module
from pathlib import Path

import pytest

from ranvier.core.errors import ConfigError, DataError
from ranvier.data import sets
from ranvier.data.sets import catalogue

SOURCES = catalogue.sources()
EACH = pytest.mark.parametrize("source", SOURCES.values(), ids=list(SOURCES))
PAGE = Path(__file__).parents[3] / "docs" / "data-sets.md"


def test_every_module_with_facts_is_in_the_catalogue():
    folder = Path(sets.__file__).parent
    assert sorted(p.stem for p in folder.glob("*.py") if "\nSOURCE = Source(" in p.read_text()) == list(catalogue.NAMES)
    assert set(catalogue.NAMES) <= set(sets.__all__)


@EACH
def test_the_facts_are_whole(source):
    assert source.name in catalogue.NAMES
    assert all((source.title, source.licence, source.citation, source.split))
    assert source.files or source.packs or source.by_hand
    for file in source.files:
        assert file.url.startswith("https://")
        assert file.sha256 is None or len(file.sha256) == 64
        assert file.md5 is None or len(file.md5) == 32
        assert source.file(file.name) is file
    for pack in source.packs:
        assert len(pack.sha256) == 64
        assert pack.bytes > 0
    if not source.by_hand:
        assert source.files, "what can be fetched has an address"


@EACH
def test_what_has_splits_refuses_others(source):
    module = import_module(f"ranvier.data.sets.{source.name}")
    takes = "split" in inspect.signature(module.load).parameters
    assert takes == bool(source.splits)
    if takes:
        with pytest.raises(ConfigError, match=r"split: expected .*'test', got 'all'"):
            module.load("all")


@pytest.mark.parametrize("source", [s for s in SOURCES.values() if s.name != "nmnist"], ids=lambda s: s.name)
def test_what_is_absent_says_what_would_do_and_where_to_get_it(source, home):
    module = import_module(f"ranvier.data.sets.{source.name}")
    assert source.place() is None
    with pytest.raises(DataError) as caught:
        module.load()
    message = str(caught.value)
    assert source.title in message
    assert "RANVIER_DATA" in message
    assert (source.by_hand or "download=True") in message


BY_HAND = [source for source in SOURCES.values() if source.by_hand and not source.packs]


@pytest.mark.parametrize("source", BY_HAND, ids=lambda s: s.name)
def test_what_must_be_got_by_hand_is_not_fetched(source, home):
    module = import_module(f"ranvier.data.sets.{source.name}")
    with pytest.raises(DataError, match="expected files that can be fetched, got a set to be got by hand"):
        module.load(download=True)


@pytest.mark.parametrize("source", [s for s in SOURCES.values() if s.packs], ids=lambda s: s.name)
def test_the_real_packs_have_the_checksums_that_are_stated(source, real):
    folder = real(source.home, *(pack.name for pack in source.packs))
    for pack in source.packs:
        data = (folder / pack.name).read_bytes()
        assert len(data) == pack.bytes
        assert hashlib.sha256(data).hexdigest() == pack.sha256


def test_sizes_are_told_in_words():
    words = {name: catalogue.size_in_words(source) for name, source in SOURCES.items()}
    assert words["mnist"] == "11.6 MB"
    assert words["braille_tactile"] == "94 kB"
    assert words["nmnist"] == "?"


def test_the_page_shows_the_catalogue_as_it_is():
    assert catalogue.table() in PAGE.read_text(), "write it anew: python tools/write_data_sets.py"
