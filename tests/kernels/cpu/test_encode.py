"""Encoding programs: what is fused, how few registers are used."""

from ranvier.core.program import Builder, Program
from ranvier.kernels.cpu.encode import encode, select
from ranvier.kernels.plan import plan
from ranvier.neurons.lif import LIF

NAMES = [
    "copy", "neg", "not", "add", "sub", "mul", "div", "ge", "gt", "where", "sqrt", "mul_add", "mul_rsub", "sub_ge",
    "sub_mul", "add_lt", "mul_mul_add", "ge_where", "exp",
]  # fmt: skip
OPCODES = {name: number for number, name in enumerate(NAMES)}


def names(program: Program) -> list[str]:
    return [o.name for o in select(program, OPCODES)]


def program(*inputs: str) -> Builder:
    return Builder(inputs or ("state.v", "current"))


def test_a_lif_step_becomes_three_instructions() -> None:
    assert names(plan(LIF()).programs.forward) == ["mul_mul_add", "sub_ge", "sub"]


def test_a_value_read_twice_or_returned_is_not_fused() -> None:
    b = program()
    product = b.op("mul", 0, 1)
    assert names(b.finish({"out.y": b.op("add", product, 1), "out.z": product})) == ["mul", "add"]
    assert names(b.finish({"out.y": b.op("mul", product, product)})) == ["mul", "mul"]


def test_the_order_of_operands_is_kept() -> None:
    b = program("current", "coef.0", "coef.1")
    product = b.op("mul", 0, 1)
    assert [(o.name, o.args) for o in select(b.finish({"out.y": b.op("sub", 2, product)}), OPCODES)] == [
        ("mul_rsub", (0, 1, 2))
    ]
    total = b.op("add", 0, 1)
    assert [(o.name, o.args) for o in select(b.finish({"out.y": b.op("gt", 2, total)}), OPCODES)] == [
        ("add_lt", (0, 1, 2))
    ]


def test_a_comparison_joins_its_choice_only_as_the_condition() -> None:
    b = program("current", "coef.0", "coef.1")
    fires = b.op("ge", 0, 1)
    assert names(b.finish({"out.y": b.op("where", fires, 1, 2)})) == ["ge_where"]
    assert names(b.finish({"out.y": b.op("where", 2, fires, 1)})) == ["ge", "where"]


def test_negations_vanish_into_sums() -> None:
    b = program("current", "coef.0")
    minus = b.op("neg", 1)
    cases = {
        b.op("add", 0, minus): ("sub", (0, 1)),
        b.op("add", minus, 0): ("sub", (0, 1)),
        b.op("sub", 0, minus): ("add", (0, 1)),
    }
    for value, expected in cases.items():
        assert [(o.name, o.args) for o in select(b.finish({"out.y": value}), OPCODES)] == [expected]
    assert names(b.finish({"out.y": b.op("sub", minus, 0)})) == ["neg", "sub"]


def test_unknown_fusions_are_left_apart() -> None:
    b = program()
    assert names(b.finish({"out.y": b.op("div", b.op("add", 0, 1), 1)})) == ["add", "div"]


def test_a_long_chain_needs_one_register_and_results_none() -> None:
    b = program()
    value = 0
    for _ in range(20):
        value = b.op("sqrt", value)
    assert encode(b.finish({"state.v": value}), OPCODES).registers == 1
    assert encode(b.finish({"state.v": b.op("sqrt", 0)}), OPCODES).registers == 0


def test_results_that_are_inputs_constants_or_twins_are_copied() -> None:
    b = program()
    root = b.op("sqrt", 1)
    encoded = encode(b.finish({"state.v": 1, "out.a": root, "out.b": root, "out.c": b.const(2.0)}), OPCODES)
    assert [NAMES[op] for op in encoded.words[::6]] == ["sqrt", "copy", "copy", "copy"]
    assert (encoded.states, encoded.outputs, encoded.constants) == (1, 3, [2.0])


def test_a_state_is_overwritten_only_after_its_last_reader() -> None:
    b = program()
    assert encode(b.finish({"state.v": b.op("add", 0, 1)}), OPCODES).in_place == [True]
    early = b.finish({"state.v": b.op("add", 0, 1), "out.y": b.op("sqrt", 0)})
    assert encode(early, OPCODES).in_place == [False]


def test_gradients_of_coefficients_are_added_up_in_one_instruction() -> None:
    b = program("current", "coef.0", "grad.out.y")
    encoded = encode(b.finish({"grad_current": b.op("mul", 1, 2), "grad_coef.0": b.op("mul", 0, 2)}), OPCODES)
    assert [NAMES[op] for op in encoded.words[::6]] == ["mul", "mul_add"]
    assert encoded.words[7] == encoded.words[10], "the sum is operand and target"


def test_signs_of_zero_constants_are_kept() -> None:
    b = program("current")
    both = b.op("div", b.op("div", 0, b.const(-0.0)), b.const(0.0))
    assert sorted(map(str, encode(b.finish({"out.y": both}), OPCODES).constants)) == ["-0.0", "0.0"]
