"""A room imports only rooms of a lower number; no import hides in a function to dodge a cycle."""

import ast
from pathlib import Path

import pytest

import ranvier

ROOT = Path(ranvier.__file__).parent
FLOORS = {
    "core": 0, "neurons": 1, "kernels": 1, "runs": 1, "data": 2, "nn": 2, "brain": 2, "report": 2,
    "rules": 3, "train": 3, "convert": 3, "measure": 3, "chips": 4, "systems": 5, "cli": 6,
}  # fmt: skip
FILES = sorted(ROOT.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path):
    """Yield (line, module, whether inside a function) of every import."""
    tree = ast.parse(path.read_text())
    inside = {
        id(child) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.walk(node)
    }  # fmt: skip
    for node in ast.walk(tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            yield node.lineno, name, id(node) in inside


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.parent != ROOT or p.name == "cli.py"], ids=lambda p: str(p.relative_to(ROOT))
)
def test_a_room_imports_only_lower_rooms(path):
    own = room(path)
    assert own in FLOORS, f"{own} is no room of the house"
    for line, name, _ in imports(path):
        parts = name.split(".")
        if parts[0] == "ranvier" and len(parts) > 1 and parts[1] not in (own, "__version__"):
            assert FLOORS[parts[1]] < FLOORS[own], f"{path.name}:{line}: {own} imports {parts[1]}"


@pytest.mark.parametrize(
    "path", [p for p in FILES if room(p) != "cli" and p.parent != ROOT], ids=lambda p: str(p.relative_to(ROOT))
)
def test_no_import_of_ours_hides_in_a_function(path):
    hidden = [f"{path.name}:{line} {name}" for line, name, late in imports(path) if late and name.startswith("ranvier")]
    # The C++ extensions, and kernels that need Triton, load late by design.
    assert [h for h in hidden if not h.endswith(("._machine", "._loop", "._events", ".window_kernels"))] == []


def test_every_file_lies_in_a_room():
    assert {room(p) for p in FILES} - {"__init__"} <= set(FLOORS)
