"""Habits that a machine can check."""

import re
from pathlib import Path

import pytest

import ranvier

PACKAGE = Path(ranvier.__file__).parent
PROJECT = PACKAGE.parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
FORBIDDEN = {
    "pickle": r"\bimport (pickle|dill|cloudpickle|marshal)\b|allow_pickle=True|(?<!safetensors\.)torch\.(load|save)\(",
    "yaml without the safe loader": r"yaml\.(full_load|unsafe_load)\(|yaml\.load\((?!text, _PlainLoader)",
    "process-wide seeds": r"(?<!\w)torch\.manual_seed\(|np\.random\.seed\(|(?<!\.)random\.seed\(",
    "running text as code": r"(?<![\w.])(eval|exec)\(",
    "work put off without an end": r"#\s*(TODO|FIXME|XXX)\b(?!.*\buntil\b)",
}
# Triton compiles what it can inspect, so our printer's text, made from a checked program, has to be run once.
ALLOWED = {("kernels/gpu/device.py", "running text as code")}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_source_keeps_the_habits(path):
    text = path.read_text()
    text = re.sub(r"fork_rng\(.*?\):\n\s+torch\.manual_seed\(", "", text)  # torch's own state, put back at the end
    for habit, pattern in FORBIDDEN.items():
        if (str(path.relative_to(PACKAGE)), habit) in ALLOWED:
            continue
        assert re.search(pattern, text) is None, f"{path.name}: {habit}"


def test_every_module_says_first_what_it_is():
    for path in SOURCES:
        assert re.match(r'"""[^"]', path.read_text()), path


def test_no_file_is_an_orphan():
    """Each module has a mirror test, itself or through its package."""
    tests = {p.stem.removeprefix("test_") for p in (PROJECT / "tests").rglob("test_*.py")}
    packages = {p.name for p in (PROJECT / "tests").iterdir() if p.is_dir()}
    for path in SOURCES:
        if path.name == "__init__.py":
            continue
        parents = set(path.relative_to(PACKAGE).parts[:-1])
        assert path.stem in tests or parents & tests or parents & packages, f"{path} has no test"
