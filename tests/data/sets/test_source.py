from ranvier.data.sets import mnist
from ranvier.data.sets import source as sources


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
