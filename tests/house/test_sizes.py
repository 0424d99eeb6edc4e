"""No file over 500 lines, no function over 60, no signature over 8 parameters without a reason."""

import ast
from pathlib import Path

import pytest

import ranvier

PACKAGE = Path(ranvier.__file__).parent
PROJECT = PACKAGE.parent
CODE = sorted(
    p for folder in ("ranvier", "tests", "csrc", "benchmarks", "crosscheck", "tools") for p in (PROJECT / folder).rglob("*")
    if p.suffix in {".py", ".cpp", ".hpp", ".h", ".sh"} and ".crosscheck" not in p.parts
)  # fmt: skip


@pytest.mark.parametrize("path", CODE, ids=lambda p: str(p.relative_to(PROJECT)))
def test_no_file_is_longer_than_500_lines(path):
    assert len(path.read_text().splitlines()) <= 500


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_function_is_longer_than_60_lines(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            body = [n for n in node.body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
            length = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert length <= 60, f"{path.name}:{node.lineno} {node.name} has {length} lines"
