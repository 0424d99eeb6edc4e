import pytest

from ranvier.core.errors import ConfigError
from ranvier.data.sets import cifar10, fashion_mnist, mnist, nmnist
from ranvier.data.sets import source as sources

SETS = [mnist, fashion_mnist, cifar10, nmnist]


@pytest.mark.parametrize("made", [s.SOURCE for s in SETS], ids=lambda s: s.name)
def test_each_source_says_all_it_should(made):
    assert made.licence
    assert made.citation
    assert made.split
    for file in made.files:
        assert file.url.startswith("https://")
        assert file.sha256 is None or len(file.sha256) == 64
        assert file.md5 is None or len(file.md5) == 32
        assert made.file(file.name) is file


@pytest.mark.parametrize("module", SETS, ids=lambda m: m.SOURCE.name)
def test_an_unknown_split_is_refused(module):
    with pytest.raises(ConfigError, match=r"split: expected 'train' or 'test', got 'validation'"):
        module.load("validation")


def test_a_file_is_downloaded_only_on_demand(tmp_path, monkeypatch):
    monkeypatch.delenv("RANVIER_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fetched = []

    def fetch(file, folder, *, progress=None):
        fetched.append((file.name, folder))
        return folder / file.name

    monkeypatch.setattr(sources, "fetch", fetch)
    name = "t10k-labels-idx1-ubyte.gz"
    assert sources.obtain(mnist.SOURCE, name, download=False) is None
    assert sources.obtain(mnist.SOURCE, name, download=True) == tmp_path / "ranvier" / "mnist" / name
    assert fetched == [(name, tmp_path / "ranvier" / "mnist")]
