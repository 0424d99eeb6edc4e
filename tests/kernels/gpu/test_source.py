import ast
import math

import pytest

from ranvier.core.program import ARITY, Builder, Instruction, Program, lower, parse
from ranvier.kernels.gpu.source import print_backward, print_forward
from ranvier.kernels.gpu.text import EXPRESSIONS
from ranvier.kernels.vjp import vjp


def leaky() -> Program:
    """v <- v / 2 + current; fires at 1, loses 1."""
    b = Builder(("state.v", "current", "coef.0"))
    v = b.op("add", b.op("mul", b.const(0.5), 0), b.op("mul", 1, 2))
    spikes = b.op("ge", v, b.const(1.0))
    return b.finish({"state.v": b.op("sub", v, spikes), "out.spikes": spikes})


def backward_text(program: Program, **kwargs: object) -> str:
    options = {"chunk": 2, "has_grad_out": [True], "has_grad_state": [True], **kwargs}
    return print_backward(lower(program), vjp(program, program.inputs), **options)  # type: ignore[arg-type]


def names_in(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def test_every_instruction_that_executors_see_has_an_expression():
    assert set(EXPRESSIONS) == set(ARITY) - {"const", "spike", "detach"}


def test_the_same_program_is_printed_the_same_from_its_text_form():
    program = leaky()
    again = parse(str(program))
    assert print_forward(program, chunk=4) == print_forward(again, chunk=4)
    assert backward_text(program) == backward_text(again)


def test_each_line_of_a_step_names_its_instruction():
    text = print_forward(leaky(), chunk=4)
    for number, i in enumerate(leaky().body, start=3):
        assert f"# {number} {i.op}" in text


def test_forward_unrolls_a_chunk_with_its_loads_first():
    lines = print_forward(leaky(), chunk=3).splitlines()
    chunk = lines[lines.index("    for _ in range(num_chunks):") + 1 : lines.index("    for _ in range(num_single):")]
    assert [line.split()[0] for line in chunk[:3]] == ["current_0", "current_1", "current_2"]
    assert sum("= step(" in line for line in chunk) == 3


def test_backward_reads_no_gradient_that_is_absent():
    text = backward_text(leaky(), has_grad_out=[False], has_grad_state=[False])
    assert "grad_out0_spikes_ptr" not in text
    assert "\n    grad_out0_spikes = zero" in text
    assert "(grad_state0_v_ptr" not in text
    assert "\n    grad_state0_v = zero" in text


def test_backward_walks_a_chunk_from_its_last_step_to_its_first():
    text = backward_text(leaky(), chunk=4)
    chunk = text[text.rindex("for _ in range(num_chunks):") :]
    pulls = [line for line in chunk.splitlines() if "= pull(" in line]
    assert [line.split("pull(")[1].split(",")[0] for line in pulls] == [f"state0_v_{k}" for k in (3, 2, 1, 0)]


@pytest.mark.parametrize("value", [0.1, -1e-300, 1e30, 5e-324, -2.0])
def test_finite_constants_are_printed_to_the_last_bit(value: float):
    text = constant_text(value)
    assert float(text.split("], ")[1].split(", DTYPE")[0]) == value


@pytest.mark.parametrize(("value", "text"), [
    (math.inf, 'float("inf")'), (-math.inf, 'float("-inf")'), (math.nan, 'float("nan")'),
    (-0.0, "tl.full([BLOCK], 0.0, DTYPE) * -1.0"),
])  # fmt: skip
def test_constants_that_have_no_literal_in_triton_are_spelled_out(value: float, text: str):
    assert text in constant_text(value)


def constant_text(value: float) -> str:
    program = Program(("state.v", "current"), (Instruction("const", constant=value),), (("state.v", 2),))
    return next(line for line in print_forward(program, chunk=1).splitlines() if line.startswith("    x2 ="))


def test_the_text_calls_nothing_but_triton_and_our_functions():
    b = Builder(("state.eval", "state.θ", "current", "coef.0"))
    value = b.op("add", 0, 1)
    for op, arity in ARITY.items():
        if op in EXPRESSIONS:
            value = b.op("add", value, b.op(op, *[value, 2, 3][:arity]))  # type: ignore[arg-type]
    program = b.finish({"state.eval": value, "state.θ": 2, "out.exec": b.op("gt", value, 2)})
    for text in (print_forward(program, chunk=2), backward_text(program, has_grad_state=[True, False])):
        tree = ast.parse(text)
        called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        plain = {name for name in called if "." not in name}
        assert plain <= {"range", "step", "advance", "pull"}
        assert {name.split(".")[0] for name in called - plain} <= {"tl", "maths", "triton"} | {
            name.split(".")[0] for name in called if name.endswith(".to")
        } | {"(0"} | {name.split(" ")[0] for name in called if name.startswith("(")}
        imports = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        assert imports == [
            "import triton", "import triton.language as tl", "from ranvier.kernels.gpu import maths"
        ]  # fmt: skip
        assert not {"eval", "exec", "open", "__import__"} & names_in(text)
