from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.data import Events, Hold, Loader, NumWindows, cached, same
from ranvier.data.cache import described
from ranvier.data.formats import nmnist_bin
from ranvier.data.sets import ImageSet, nmnist


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("RANVIER_DATA", raising=False)
    return tmp_path / "ranvier" / "samples" / "encoded"


def images(num=3):
    return ImageSet(np.arange(num * 4, dtype=np.uint8).reshape(num, 1, 2, 2), np.arange(num), tuple("abc"))


def entries(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@dataclass(frozen=True)
class Count:
    """Counts how often it is called."""

    factor: float
    calls = []  # noqa: RUF012 # of the class, on purpose

    def __call__(self, image):
        self.calls.append(self.factor)
        return image.float() * self.factor


def test_a_sample_is_encoded_once(folder):
    Count.calls.clear()
    made = cached(images(), Count(2.0))
    first = [made[i] for i in range(3)]
    again = [cached(images(), Count(2.0))[i] for i in range(3)]
    assert len(Count.calls) == 3
    for (a, label), (b, other) in zip(first, again, strict=True):
        assert torch.equal(a, b)
        assert label == other
    assert torch.equal(first[2][0], images()[2][0].float() * 2)
    assert len(entries(folder)) == 3


def test_another_encoding_or_content_is_another_entry(folder):
    cached(images(), Count(2.0))[0]
    assert cached(images(), Count(3.0))[0][0].max() == 9
    changed = images()
    changed.images[0, 0, 0, 0] = 99
    assert cached(changed, Count(2.0))[0][0].max() == 198
    assert cached(images(), Hold(num_steps=4))[0][0].shape == (4, 1, 2, 2)
    assert len(entries(folder)) == 4


def test_it_may_be_deleted_or_damaged_at_any_time(folder):
    made = cached(images(), Count(2.0))
    wanted = made[1][0]
    (path,) = entries(folder)
    for content in (b"", path.read_bytes()[:-1], b"x" * 500, path.read_bytes()[:40] + b"\xff" + path.read_bytes()[41:]):
        path.write_bytes(content)
        assert torch.equal(made[1][0], wanted)
        assert torch.equal(made[1][0], wanted)
    path.unlink()
    path.parent.rmdir()
    assert torch.equal(made[1][0], wanted)


@dataclass(frozen=True)
class Give:
    """Gives the same tensor for any image."""

    numbers: tuple
    kind: str

    def __call__(self, image):
        return torch.tensor(self.numbers, dtype=getattr(torch, self.kind))


@pytest.mark.parametrize(
    ("numbers", "kind"),
    [
        ((0, 1, 255), "float32"), ((0, 1, 256), "float32"), ((0.0, -0.0), "float32"), ((0.5, 3), "float64"), ((-1, 2), "int64"),
        ((float("nan"), 1), "float32"), ((float("inf"), 1), "float16"), ((3, 4), "int16"), ((True, False), "bool"), ((), "float32"),
        ((7,), "uint8"),
    ],
)  # fmt: skip
def test_tensors_come_back_to_the_bit(folder, numbers, kind):
    made = cached(images(), Give(numbers, kind))
    first, again = made[0][0], made[0][0]
    assert first.dtype == again.dtype == getattr(torch, kind)
    assert first.shape == again.shape
    assert first.numpy().tobytes() == again.numpy().tobytes()


def test_counts_take_a_byte_each(folder):
    cached(images(), Give(tuple(range(200)) * 10, "float32"))[0]
    assert entries(folder)[0].stat().st_size < 2000 + 200


def test_a_folder_that_cannot_be_written_costs_the_cache_alone(folder):
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way")
    assert cached(images(), Count(2.0))[0][0].max() == 6


def test_recordings_are_told_by_the_bytes_of_their_files(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("RANVIER_DATA", str(tmp_path))
    path = tmp_path / "nmnist" / "Train" / "7" / "00001.bin"
    path.parent.mkdir(parents=True)
    nmnist_bin.write(path, Events.of([1, 2], [3, 4], [5, 6], [0, 1], size=(34, 34)))
    made = cached(nmnist.load("train"), NumWindows(num=2))
    frames, label = made[0]
    assert label == 7
    monkeypatch.setattr(nmnist_bin, "parse", lambda *a, **k: pytest.fail("decoded again"))
    again, label = cached(nmnist.load("train"), NumWindows(num=2))[0]
    assert torch.equal(again, frames)
    assert label == 7


def test_it_gives_a_loader_what_the_set_gives(folder):
    sample = nmnist.sample("test").take(np.arange(6))
    plain = Loader(samples=sample, encode=NumWindows(num=3), batch_size=4, seed=5)
    kept = Loader(samples=cached(sample, NumWindows(num=3)), encode=same, batch_size=4, seed=5)
    for _ in range(2):
        for (x, y), (u, v) in zip(plain.batches(0), kept.batches(0), strict=True):
            assert torch.equal(x, u)
            assert torch.equal(y, v)
    assert len(entries(folder)) == 6


def test_an_encoding_without_a_name_is_refused():
    with pytest.raises(ConfigError, match=r"expected an encoding that can be told from others.*frozen dataclass"):
        cached(images(), lambda image: image)
    with pytest.raises(ConfigError, match="expected a plain name of a folder"):
        cached(images(), Count(1.0), name="../x")


def test_what_is_described_differs_where_values_do():
    found = [described(thing) for thing in (
        1, 1.0, "1", True, None, (1, 2), (1, (2,)), [1, 2], {"a": 1}, Count(1.0), Count(2.0), same, partial(same, 1), partial(same, 2),
    )]  # fmt: skip
    assert len({repr(each) for each in found}) == len(found)
    assert described(Count(1.0)) == described(Count(1.0))
