"""Checkpoints against random damage: every mutation is refused with file and cause, and the one before is used."""

import importlib.util
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("mutations", Path(__file__).with_name("mutations.py"))
mutations = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(mutations)

NUM = 10_000  # of all files together; seconds


@pytest.mark.parametrize("file", mutations.FILES)
def test_every_mutation_is_refused_by_file_and_cause_and_the_previous_is_used(tmp_path, file):
    number = -(-NUM // len(mutations.FILES))
    seen = mutations.damage(tmp_path, file, number=number, seed=0)
    assert seen["faults"] == []
    assert seen["refused"] == seen["mutations"] == number
    assert set(seen["by"]) == {deed.__name__ for deed in mutations.DEEDS}
