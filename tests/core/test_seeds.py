import hashlib

import torch

from ranvier.core.seeds import derive, generator, numpy_generator


def test_seed_is_the_documented_hash():
    digest = hashlib.sha256(b"int:3/str:data/int:7").digest()
    assert derive(3, "data", 7) == int.from_bytes(digest[:8], "little") >> 1


def test_paths_that_look_alike_give_different_seeds():
    assert len({derive(0, "a", 1), derive(0, "a", "1"), derive(0, "a1"), derive(1, "a"), derive(0, "a", 1, 0)}) == 5


def test_generators_repeat_and_differ_by_path():
    a, b, c = (torch.rand(5, generator=generator(0, "x", i)) for i in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert (numpy_generator(0, "x").random(3) == numpy_generator(0, "x").random(3)).all()
