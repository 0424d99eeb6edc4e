import json
import math
import pickle

import pytest
import torch

from ranvier.core.errors import CheckpointError, RunError
from ranvier.runs import checkpoint
from ranvier.runs.checkpoint import MANIFEST, STATE, TENSORS


def tree():
    g = torch.Generator().manual_seed(0)
    return {
        "net": {"0.weight": torch.randn(3, 4, generator=g), "0.bias": torch.randn(3, generator=g, dtype=torch.float64)},
        "optimiser": [{"step": torch.tensor(7.0), "exp": torch.randn(2, generator=g).bfloat16()}, 0.1, None],
        "progress": {"step": 3, "loss": 0.1 + 0.2, "word": "µ", "on": True, "empty": {}, "none": [None]},
        "mask": torch.tensor([True, False]),
        "count": torch.tensor(2**60, dtype=torch.int64),
        "void": torch.zeros(0, 5),
    }


def same(a, b):
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def test_a_tree_comes_back_bit_for_bit(tmp_path):
    checkpoint.write(tmp_path / "c", 12, tree())
    back = checkpoint.read(tmp_path / "c")
    assert back.step == 12
    assert same(back.tree, tree())
    assert sorted(p.name for p in (tmp_path / "c").iterdir()) == [MANIFEST, STATE, TENSORS]
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_tied_transposed_and_learned_tensors_are_kept_as_values(tmp_path):
    weight = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3))
    checkpoint.write(tmp_path / "c", 0, {"a": weight, "b": weight, "t": weight.t(), "slice": weight[:, 1]})
    back = checkpoint.read(tmp_path / "c").tree
    assert torch.equal(back["a"], back["b"])
    assert torch.equal(back["t"], weight.detach().t())
    assert torch.equal(back["slice"], torch.tensor([1.0, 4.0]))
    assert not back["a"].requires_grad


def test_the_same_tree_makes_the_same_bytes(tmp_path):
    for name in "ab":
        checkpoint.write(tmp_path / name, 1, tree())
    for file in (TENSORS, STATE, MANIFEST):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize("value", [math.nan, math.inf, object(), {1, 2}, b"bytes"])
def test_a_value_that_is_neither_tensor_nor_plain_is_refused_by_place(tmp_path, value):
    with pytest.raises(CheckpointError, match=r"^tree/a/1: expected a tensor, finite number, text, boolean or None"):
        checkpoint.write(tmp_path / "c", 0, {"a": [1.0, value]})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["a/b", 3, "$tensor"])
def test_a_key_that_could_be_taken_for_another_is_refused(tmp_path, key):
    with pytest.raises(CheckpointError, match=r'^tree/x: expected keys of text without "/"'):
        checkpoint.write(tmp_path / "c", 0, {"x": {key: 1}})


@pytest.mark.parametrize("tensor", [torch.eye(2).to_sparse(), torch.zeros(1, dtype=torch.complex128)])
def test_a_tensor_that_safetensors_cannot_hold_is_refused_by_place(tmp_path, tensor):
    with pytest.raises(CheckpointError, match=r"^tree/x: expected a dense tensor"):
        checkpoint.write(tmp_path / "c", 0, {"x": tensor})


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file/c: expected a folder that can be written to, got Not a directory"):
        checkpoint.write(tmp_path / "file" / "c", 0, {})


@pytest.fixture
def folder(tmp_path):
    checkpoint.write(tmp_path / "c", 5, tree())
    return tmp_path / "c"


@pytest.mark.parametrize("name", [TENSORS, STATE, MANIFEST])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=rf"{name}: expected a complete, unaltered checkpoint, got no "):
        checkpoint.read(folder)


@pytest.mark.parametrize("name", [TENSORS, STATE])
def test_a_truncated_file_is_named_with_both_sizes(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1])
    words = f"{name}: .* got {len(content) - 1} bytes where the manifest says {len(content)}"
    with pytest.raises(CheckpointError, match=words):
        checkpoint.read(folder)


@pytest.mark.parametrize("name", [TENSORS, STATE])
def test_a_flipped_bit_is_seen(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"{name}: .* got altered bytes \(sha256 differs from the manifest\)"):
        checkpoint.read(folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"step": 5', b'"step": 6'),
        (b'"step": 5', b'"step":  5'),
        (b"\n}\n", b"\n}"),
        (
            b"{",
            b"[",
        ),
        (b'"sha256"', b'"sha255"'),
    ],
)
def test_an_altered_manifest_is_refused(folder, old, new):
    path = folder / MANIFEST
    content = path.read_bytes()
    assert old in content
    head, _, tail = content.rpartition(old)
    path.write_bytes(head + new + tail)
    with pytest.raises(CheckpointError, match=r"manifest\.json: expected a complete, unaltered checkpoint, got "):
        checkpoint.read(folder)


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"[]", b"3", b"{}", b"[" * 4000, b'{"sha256": "", "a": NaN}', b'{"sha256": "", "a": "\\ud800"}'],
)
def test_anything_but_a_manifest_is_refused(folder, content):
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(CheckpointError, match=r"manifest\.json: expected a complete, unaltered checkpoint"):
        checkpoint.read(folder)


def forge(folder, body=None, **contents):
    """Write files with a manifest whose digests are right, as an attacker would."""
    for name, content in contents.items():
        (folder / {"tensors": TENSORS, "state": STATE}[name]).write_bytes(content)
    files = {name: (folder / name).read_bytes() for name in (TENSORS, STATE)}
    if body is None:
        (folder / MANIFEST).write_bytes(checkpoint._manifest(5, files))
    else:
        (folder / MANIFEST).write_bytes(
            checkpoint.render({**body, "sha256": checkpoint._digest(checkpoint.render(body))})
        )


def test_another_format_says_which(folder):
    forge(folder, body={"format": 2, "step": 5, "files": {}})
    with pytest.raises(
        CheckpointError, match=r"expected checkpoint format 1, got format 2\. Use the version of ranvier"
    ):
        checkpoint.read(folder)


@pytest.mark.parametrize(
    "body",
    [
        {"step": "5", "files": {}},
        {"step": 5},
        {"step": 5, "files": {TENSORS: {"bytes": 1, "sha256": ""}}},
        {"step": 5, "files": {TENSORS: {"bytes": "1", "sha256": ""}, STATE: {"bytes": 1, "sha256": ""}}},
        {"step": 5, "files": {"../../x": {"bytes": 1, "sha256": ""}}},
    ],
)
def test_a_forged_manifest_without_sense_is_refused(folder, body):
    forge(folder, body={"format": 1, **body})
    with pytest.raises(CheckpointError, match="got a manifest without step, size or sha256 of the files"):
        checkpoint.read(folder)


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_with_right_digests_is_refused_and_executes_nothing(folder, tmp_path, protocol):
    bomb = pickle.dumps(Bomb(tmp_path / "executed"), protocol=protocol)
    forge(folder, tensors=bomb)
    with pytest.raises(CheckpointError, match="got contents that do not fit together"):
        checkpoint.read(folder)
    forge(folder, state=bomb)
    with pytest.raises(CheckpointError, match="got contents that do not fit together"):
        checkpoint.read(folder)
    assert not (tmp_path / "executed").exists()
    pickle.loads(bomb).close()  # the bomb is a real one
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize("state", [b'{"a": {"$tensor": "tree/nothing"}}', b'{"$tensor": []}', b"[" * 100_000, b"{"])
def test_a_forged_state_is_refused(folder, state):
    forge(folder, state=state)
    with pytest.raises(CheckpointError, match="got contents that do not fit together"):
        checkpoint.read(folder)


def test_a_forged_manifest_may_not_be_long(folder):
    body = json.loads((folder / MANIFEST).read_bytes()) | {"pad": "x" * 5000}
    body.pop("sha256")
    forge(folder, body=body)
    with pytest.raises(CheckpointError, match=r"manifest\.json: .* got no manifest"):
        checkpoint.read(folder)
