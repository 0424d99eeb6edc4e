import errno
import os
import shutil
from pathlib import Path

import pytest
import torch

from ranvier.core.errors import CheckpointError, ConfigError, RunError
from ranvier.runs.checkpoints import Checkpoints


def tree(step):
    return {"weight": torch.full((4,), float(step)), "step": step}


@pytest.fixture
def store(tmp_path):
    return Checkpoints(tmp_path / "checkpoints", keep=3)


def names(store):
    return sorted(path.name for path in store.folder.iterdir())


def damage(path, name="tensors.safetensors"):
    content = bytearray((path / name).read_bytes())
    content[-1] ^= 0x10
    (path / name).write_bytes(content)


def test_nothing_saved_is_nothing_found(store):
    assert store.newest() is None


def test_the_newest_is_found_and_only_the_last_few_stay(store):
    for step in (1, 2, 10, 9_999_999_999):
        store.save(step, tree(step))
    found = store.newest()
    assert found.checkpoint.step == 9_999_999_999
    assert torch.equal(found.checkpoint.tree["weight"], torch.full((4,), 9_999_999_999.0))
    assert found.refused == ()
    assert names(store) == ["step-000000002", "step-000000010", "step-9999999999"]


def test_at_least_one_is_kept(tmp_path):
    with pytest.raises(ConfigError, match=r"^Checkpoints\.keep: expected at least 1, got 0"):
        Checkpoints(tmp_path, keep=0)


def test_a_broken_newest_is_reported_and_the_one_before_is_used(store):
    for step in (1, 2, 3):
        store.save(step, tree(step))
    damage(store.folder / "step-000000003")
    damage(store.folder / "step-000000002", "state.json")
    found = store.newest()
    assert found.checkpoint.step == 1
    assert [Path(error.where).parent.name for error in found.refused] == ["step-000000003", "step-000000002"]
    assert "step-000000003/tensors.safetensors: expected a complete" in str(found.refused[0])
    assert "altered bytes" in str(found.refused[0])


def test_if_all_are_broken_it_is_an_error_that_names_them_all(store):
    for step in (1, 2):
        store.save(step, tree(step))
        damage(store.folder / f"step-{step:09d}")
    with pytest.raises(CheckpointError, match="at least one complete checkpoint") as caught:
        store.newest()
    assert "step-000000001/tensors" in str(caught.value)
    assert "step-000000002/tensors" in str(caught.value)


def test_a_renamed_checkpoint_is_refused(store):
    store.save(1, tree(1))
    path = store.save(2, tree(2))
    path.rename(path.with_name("step-000000007"))
    found = store.newest()
    assert found.checkpoint.step == 1
    assert "expected the manifest of step 7, got that of step 2" in str(found.refused[0])


def test_files_of_two_checkpoints_do_not_mix(store):
    first, second = store.save(1, tree(1)), store.save(2, tree(2))
    shutil.copy(first / "tensors.safetensors", second)
    assert store.newest().checkpoint.step == 1


def test_going_on_from_an_older_one_replaces_the_broken_ones(store):
    for step in (1, 2, 3):
        store.save(step, tree(step))
    damage(store.folder / "step-000000003")
    damage(store.folder / "step-000000002")
    store.save(2, tree(2))
    assert names(store) == ["step-000000001", "step-000000002"]
    found = store.newest()
    assert found.checkpoint.step == 2
    assert found.refused == ()


def test_a_complete_later_one_is_never_lost(store):
    store.save(5, tree(5))
    with pytest.raises(RunError, match="expected no complete checkpoint after step 4, which is to be saved"):
        store.save(4, tree(4))
    assert store.newest().checkpoint.step == 5


def test_the_same_step_may_be_saved_again(store):
    store.save(5, tree(5))
    store.save(5, {"again": True})
    assert store.newest().checkpoint.tree == {"again": True}
    assert names(store) == ["step-000000005"]


def test_what_is_set_aside_counts_until_its_successor_is_complete(store):
    path = store.save(5, tree(5))
    path.rename(path.with_name("step-000000005.old"))  # killed between the two renames
    assert store.newest().checkpoint.step == 5
    store.save(6, tree(6))
    assert names(store) == ["step-000000006"]


def test_strange_files_among_the_checkpoints_are_ignored(store):
    store.save(1, tree(1))
    (store.folder / "step-2").mkdir()
    (store.folder / "notes.txt").write_text("mine")
    store.save(3, tree(3))
    assert store.newest().checkpoint.step == 3
    assert "notes.txt" in names(store)


def test_what_a_killed_process_left_half_written_is_swept(store):
    store.save(1, tree(1))
    half = store.folder / ".step-000000002.77.partial"
    half.mkdir()
    (half / "tensors.safetensors").write_bytes(b"half")
    assert store.newest().checkpoint.step == 1
    store.save(2, tree(2))
    assert names(store) == ["step-000000001", "step-000000002"]


def test_an_unwritable_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file/checkpoints: expected a folder that can be written to"):
        Checkpoints(tmp_path / "file" / "checkpoints").save(1, tree(1))


# Everything a save asks of the disk, in the order it comes; each call may be the one that fails.
CALLS = [(os, "fsync"), (os, "open"), (Path, "open"), (Path, "mkdir"), (Path, "rename"), (shutil, "rmtree")]


def fail_at(monkeypatch, number, deed):
    """Let call ``number`` (from 0) to the disk do ``deed``; return a list whose length is how many calls came."""
    calls = []
    for owner, name in CALLS:
        real = getattr(owner, name)

        def call(*args, real=real, name=name, **kwargs):
            calls.append(name)
            if len(calls) == number + 1:
                deed()
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, call)
    return calls


def full():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("again", [False, True], ids=["a new step", "the same step again"])
def test_a_disk_that_is_full_at_any_call_loses_nothing(tmp_path, monkeypatch, again):
    refusals = 0
    for number in range(100):
        store = Checkpoints(tmp_path / str(number), keep=1)
        store.save(1, tree(1))
        step = 1 if again else 2
        with monkeypatch.context() as patch:
            calls = fail_at(patch, number, full)
            try:
                store.save(step, {"new": True, "step": step})
            except RunError as error:
                refusals += 1
                assert "No space left on device" in str(error)  # noqa: PT017 - only some calls are made to fail
        if len(calls) <= number:
            break
        tree_found = store.newest().checkpoint.tree
        assert tree_found == {"new": True, "step": step} or torch.equal(tree_found["weight"], torch.ones(4))
        store.save(3, tree(3))
        assert store.newest().checkpoint.step == 3
        assert names(store) == ["step-000000003"]
    assert refusals >= 10
    assert number < 99


@pytest.mark.parametrize("again", [False, True], ids=["a new step", "the same step again"])
def test_a_death_at_any_call_loses_nothing(tmp_path, monkeypatch, again):
    kept_new = kept_old = 0
    for number in range(100):
        store = Checkpoints(tmp_path / str(number), keep=1)
        store.save(1, tree(1))
        step = 1 if again else 2
        child = os.fork()
        if child == 0:  # dies without any clean-up at one call to the disk
            fail_at(monkeypatch, number, lambda: os._exit(9))
            store.save(step, {"new": True, "step": step})
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code == 0:
            break
        found = store.newest()
        assert found.refused == ()
        kept_new += found.checkpoint.tree.get("new", False)
        kept_old += "weight" in found.checkpoint.tree
        store.save(3, tree(3))
        assert store.newest().checkpoint.step == 3
        assert names(store) == ["step-000000003"]
    assert kept_old > 5
    assert kept_new > 0
    assert number < 99
