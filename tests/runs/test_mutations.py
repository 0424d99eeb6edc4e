"""Checkpoints against random damage: every mutation is refused with file and cause, and the one before is used."""

import random

import pytest
import torch

from ranvier.runs.checkpoints import Checkpoints

NUM = 10_000
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


@pytest.mark.parametrize("file", FILES)
def test_every_mutation_is_refused_by_file_and_cause_and_the_previous_is_used(tmp_path, file):
    store = Checkpoints(tmp_path)
    previous = store.save(1, tree(1))
    path = store.save(2, tree(2)) / file
    whole = path.read_bytes()
    rng = random.Random(f"mutations of {file}")
    done = 0
    while done < -(-NUM // len(FILES)):
        deed = rng.choice(DEEDS)
        content = deed(whole, rng)
        if content == whole:
            continue
        done += 1
        path.write_bytes(content)
        found = store.newest()
        assert found.path == previous, f"{deed.__name__} was accepted: {content!r}"
        (error,) = found.refused
        assert error.where == str(path)
        assert "expected a complete, unaltered checkpoint, got" in str(error)
        assert torch.equal(found.checkpoint.tree["net"]["weight"], tree(1)["net"]["weight"])
    path.write_bytes(whole)
    assert store.newest().checkpoint.step == 2
