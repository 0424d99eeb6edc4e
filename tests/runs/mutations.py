"""Damages checkpoints at random and reads them; used by test_mutations.py, and a program of its own.

As a program it prints what it saw as JSON: ``python tests/runs/mutations.py FOLDER --mutations 10000``.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path

import torch

from ranvier.core.errors import CheckpointError
from ranvier.runs.checkpoints import Checkpoints

FILES = ("tensors.safetensors", "state.json", "manifest.json")


def tree(step):
    g = torch.Generator().manual_seed(step)
    return {"net": {"weight": torch.randn(8, 3, generator=g), "bias": torch.randn(8, generator=g)}, "step": step}


def flip_bit(content, rng):
    at = rng.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]


def set_byte(content, rng):
    at = rng.randrange(len(content))
    return content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]


def cut_end(content, rng):
    return content[: rng.randrange(len(content))]


def cut_middle(content, rng):
    at = rng.randrange(len(content))
    return content[:at] + content[at + rng.randint(1, 16) :]


def insert(content, rng):
    at = rng.randint(0, len(content))
    return content[:at] + rng.randbytes(rng.randint(1, 16)) + content[at:]


def zero_block(content, rng):
    at = rng.randrange(len(content))
    return content[:at] + bytes(len(content[at : at + 64])) + content[at + 64 :]


def swap_halves(content, rng):
    at = rng.randrange(1, len(content))
    return content[at:] + content[:at]


def blank(content, rng):
    at = rng.randint(0, len(content))
    return content[:at] + rng.choice([b" ", b"\n", b"\t"]) + content[at:]


def twice(content, rng):
    return content + content


def other(content, rng):
    return rng.randbytes(len(content))


DEEDS = (flip_bit, set_byte, cut_end, cut_middle, insert, zero_block, swap_halves, blank, twice, other)


def damage(folder, file, *, number, seed):
    """Damage one file of the newest of two checkpoints again and again, each time from the whole one.

    Returns: how many mutations there were; how many were refused by file and cause, the checkpoint before being used
    instead, bit for bit; how often each deed was done; and the faults.
    """
    store = Checkpoints(folder)
    previous = store.save(1, tree(1))
    path = store.save(2, tree(2)) / file
    whole = path.read_bytes()
    rng = random.Random(f"{seed}: mutations of {file}")
    seen = {"mutations": 0, "refused": 0, "by": {}, "faults": []}
    while seen["mutations"] < number:
        deed = rng.choice(DEEDS)
        content = deed(whole, rng)
        if content == whole:
            continue
        seen["mutations"] += 1
        seen["by"][deed.__name__] = seen["by"].get(deed.__name__, 0) + 1
        path.write_bytes(content)
        fault = _fault(store, previous, path)
        seen["refused"] += not fault
        if fault:
            seen["faults"].append(f"{deed.__name__} of {file}: {fault}: {content!r}")
    path.write_bytes(whole)
    if store.newest().checkpoint.step != 2:
        seen["faults"].append(f"{file}: the whole checkpoint is refused")
    return seen


def _fault(store, previous, path):
    try:
        found = store.newest()
    except CheckpointError as error:
        return f"nothing was used instead: {error}"
    if found.path != previous:
        return "accepted"
    (error,) = found.refused
    if error.where != str(path) or "expected a complete, unaltered checkpoint, got" not in str(error):
        return f"refused with other words: {error}"
    same = all(torch.equal(found.checkpoint.tree["net"][name], value) for name, value in tree(1)["net"].items())
    return "" if same else "the checkpoint before is not what it was"


def main() -> None:
    """Damage all files of a checkpoint, each as often."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mutations", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began = time.monotonic()
    each = -(-options.mutations // len(FILES))
    files = {file: damage(options.folder / file, file, number=each, seed=options.seed) for file in FILES}
    seen = {name: sum(found[name] for found in files.values()) for name in ("mutations", "refused")}
    faults = [fault for found in files.values() for fault in found["faults"]]
    about = {"seed": options.seed, "seconds": round(time.monotonic() - began, 1), "files": files}
    sys.stdout.write(json.dumps({**seen, "faults": faults, **about}))


if __name__ == "__main__":
    main()
