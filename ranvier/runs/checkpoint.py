"""One checkpoint: a folder with tensors, plain values and a manifest, complete or refused.

``tensors.safetensors`` holds the tensors, ``state.json`` everything else, ``manifest.json`` the size and SHA-256 of
both and of itself. The folder is filled under another name, brought to disk and renamed: under its own name it is
complete. Nothing in it is ever executed.
"""

import hashlib
import json
import math
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from ranvier.core.errors import CheckpointError
from ranvier.runs.files import disk, render, sync_folder, write_through

FORMAT = 1
TENSORS, STATE, MANIFEST = "tensors.safetensors", "state.json", "manifest.json"
_MARK = "$tensor"
_MAX_MANIFEST_BYTES = 4096

Tree = dict[str, Any]  # nested dicts (keyed by str) and lists of tensors, numbers, text, booleans and None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a checkpoint holds: the step it was taken after, and the tree of tensors (on the CPU) and plain values."""

    step: int
    tree: Tree


def write(folder: Path, step: int, tree: Tree) -> None:
    """Write a checkpoint as ``folder``, which must not exist yet.

    Raises: RunError if the disk refuses (nothing stays behind); CheckpointError for a value that is neither a tensor
        nor plain.
    """
    tensors: dict[str, Tensor] = {}
    state = render(_pack(tree, "tree", tensors))
    contents = {TENSORS: safetensors.torch.save(tensors), STATE: state}
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    with disk(str(folder)):
        try:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            for name, content in contents.items():
                write_through(partial / name, content)
            write_through(partial / MANIFEST, _manifest(step, contents))
            sync_folder(partial)
            partial.rename(folder)
        except BaseException:
            with suppress(OSError):
                shutil.rmtree(partial)
            raise
        sync_folder(folder.parent)


def read(folder: Path) -> Checkpoint:
    """Read a checkpoint and verify every byte of it.

    Raises: CheckpointError, naming the file and the cause, if anything is missing, cut short, altered or of another
        format.
    """
    step, files = _read_manifest(folder / MANIFEST)
    contents = {name: _read_verified(folder / name, files[name]) for name in (TENSORS, STATE)}
    try:
        tensors = safetensors.torch.load(contents[TENSORS])
        state = json.loads(contents[STATE])
        return Checkpoint(step=step, tree=_unpack(state, tensors))
    except (SafetensorError, ValueError, LookupError, TypeError, RecursionError) as error:
        # The bytes are the ones that were hashed, so it was not `write` that made them.
        raise _refused(folder, f"contents that do not fit together: {error}") from error


def _refused(path: Path, got: str) -> CheckpointError:
    return CheckpointError(
        str(path), expected="a complete, unaltered checkpoint", got=got, mend="Delete it, or restore it from a copy."
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _manifest(step: int, contents: dict[str, bytes]) -> bytes:
    files = {name: {"bytes": len(content), "sha256": _digest(content)} for name, content in contents.items()}
    body = {"format": FORMAT, "step": step, "files": files}
    return render({**body, "sha256": _digest(render(body))})


def _read_manifest(path: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_MANIFEST_BYTES)
        manifest = json.loads(content)
    except FileNotFoundError:
        raise _refused(path, "no such file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise _refused(path, f"no manifest: {error}") from error
    if not isinstance(manifest, dict) or "sha256" not in manifest:
        raise _refused(path, "no manifest: its own sha256 is missing")
    body = {key: value for key, value in manifest.items() if key != "sha256"}
    # One way to render: whatever is not byte for byte what `write` makes was altered, be it a blank.
    if manifest["sha256"] != _digest(_canonical(body)) or content != _canonical(manifest):
        raise _refused(path, "altered bytes (its own sha256 differs)")
    if body.get("format") != FORMAT:
        raise CheckpointError(
            str(path),
            expected=f"checkpoint format {FORMAT}",
            got=f"format {body.get('format')!r}",
            mend="Use the version of ranvier that wrote it.",
        )
    step, files = body.get("step"), body.get("files")
    if (
        type(step) is not int
        or not isinstance(files, dict)
        or not all(map(_is_entry, map(files.get, (TENSORS, STATE))))
    ):
        raise _refused(path, "a manifest without step, size or sha256 of the files")
    return step, files


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and type(entry.get("bytes")) is int and isinstance(entry.get("sha256"), str)


def _canonical(value: Any) -> bytes:
    try:
        return render(value)
    except ValueError:  # NaN, or half of a surrogate pair: nothing that `render` ever wrote
        return b""


def _read_verified(path: Path, entry: dict[str, Any]) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _refused(path, f"no readable file: {error.strerror or error}") from error
    if len(content) != entry["bytes"]:
        raise _refused(path, f"{len(content)} bytes where the manifest says {entry['bytes']}")
    if _digest(content) != entry["sha256"]:
        raise _refused(path, "altered bytes (sha256 differs from the manifest)")
    return content


def _pack(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Replace tensors by marks with their name, and gather them."""
    if isinstance(value, Tensor):
        if value.layout is not torch.strided or value.is_quantized or value.dtype is torch.complex128:
            raise CheckpointError(
                path, expected="a dense tensor of a type safetensors knows", got=f"{value.dtype}, {value.layout}"
            )
        # A copy of its own: safetensors refuses tensors that share memory, as tied weights do.
        tensors[path] = value.detach().cpu().contiguous().clone()
        return {_MARK: path}
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or "/" in key or key == _MARK:
                raise CheckpointError(path, expected=f'keys of text without "/", other than "{_MARK}"', got=repr(key))
        return {key: _pack(inner, f"{path}/{key}", tensors) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_pack(inner, f"{path}/{i}", tensors) for i, inner in enumerate(value)]
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise CheckpointError(path, expected="a tensor, finite number, text, boolean or None", got=repr(value)[:80])


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if _MARK in value:
            return tensors[value[_MARK]]
        return {key: _unpack(inner, tensors) for key, inner in value.items()}
    if isinstance(value, list):
        return [_unpack(inner, tensors) for inner in value]
    return value
