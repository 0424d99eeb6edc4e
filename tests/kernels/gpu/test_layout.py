import pytest

from ranvier.core.errors import FormatError
from ranvier.core.program import Builder, Instruction, Program, lower, parse
from ranvier.kernels.gpu.layout import check_vjp, layout
from ranvier.kernels.vjp import vjp


def step(*inputs: str, outputs: tuple[str, ...] = ("state.v", "out.spikes")) -> Program:
    return Program(inputs, (), tuple((name, 0) for name in outputs))


def test_the_layout_names_states_coefficients_and_outputs_in_order():
    read = layout(
        step("coef.1", "state.b", "current", "state.a", "coef.0", outputs=("state.a", "out.x", "state.b", "out.y"))
    )
    assert read.states == ("state.b", "state.a")
    assert read.coefs == ("coef.0", "coef.1")
    assert read.outs == ("out.x", "out.y")


def test_no_two_values_share_a_variable_even_when_states_are_named_like_derived_variables():
    names = ["v", "v_ptr", "v_0", "0_v", "ü", "u_xfc"]
    read = layout(
        step("current", *(f"state.{n}" for n in names), outputs=(*(f"state.{n}" for n in names), "out.v", "out.v_ptr"))
    )
    variables = {name: v for name, v in read.variables.items() if not name.startswith("grad")}
    derived = {f"{v}{end}" for v in variables.values() for end in ("_ptr", "_0", "_1")}
    assert len(set(variables.values())) == len(variables)
    assert not derived & set(variables.values())


def test_variables_are_ascii_identifiers_for_names_in_any_script():
    read = layout(step("state.θ", "current", outputs=("state.θ",)))
    assert all(v.isidentifier() and v.isascii() for v in read.variables.values())


@pytest.mark.parametrize(
    "name",
    [
        "state.v):import(os", 'state.v"', "state.v,w", "state.v\nimport os", "state.", "state", "__import__", "grad.x",
        "current_ptr", "coef.x", "coef.-1", "state.a.b", "state.v;x", "state.v\\", "state.v\u2028x", "tl",
    ],
)  # fmt: skip
def test_an_input_that_is_no_plain_name_is_refused(name: str):
    with pytest.raises(FormatError, match=r"program: expected inputs state.NAME, current and coef.K, got '"):
        layout(step("state.v", "current", name, outputs=("state.v",)))


@pytest.mark.parametrize("name", ["out.x)\nimport os", "out.", "import os", "grad_current", "out.x#"])
def test_an_output_that_is_no_plain_name_is_refused(name: str):
    with pytest.raises(FormatError, match=r"program: expected outputs state.NAME and out.NAME, got "):
        layout(step("state.v", "current", outputs=("state.v", name)))


def test_hostile_text_that_parses_is_refused_by_its_names():
    text = "in state.v current state.__import__('os').system('true')\nout state.v=0"
    with pytest.raises(FormatError, match="expected inputs"):
        layout(parse(text))


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        (("state.v",), ("state.v",)),
        (("state.v", "current"), ("out.spikes",)),
        (("state.v", "current"), ("state.v", "state.w")),
        (("state.v", "current", "coef.1"), ("state.v",)),
    ],
)
def test_a_program_that_is_not_a_step_is_refused(inputs: tuple[str, ...], outputs: tuple[str, ...]):
    with pytest.raises(FormatError, match=r"program: expected .*, got .*"):
        layout(step(*inputs, outputs=outputs))


@pytest.mark.parametrize("instruction", [
    Instruction("exp; import os", (0,)),  # type: ignore[arg-type]
    Instruction("spike", (0,)), Instruction("detach", (0,)), Instruction("add", (0,)), Instruction("exp", (2,)),
    Instruction("exp", (-1,)), Instruction("exp", ("0) + exit(",)), Instruction("exp", (True,)),  # type: ignore[arg-type]
])  # fmt: skip
def test_an_instruction_that_is_not_lowered_or_has_other_operands_than_values_is_refused(instruction: Instruction):
    program = Program(("state.v", "current"), (instruction,), (("state.v", 2),))
    with pytest.raises(FormatError, match="program, value 2: expected a lowered instruction"):
        layout(program)


def test_names_that_come_twice_are_refused():
    with pytest.raises(FormatError, match="no two are equal"):
        layout(step("state.v", "state.v", "current", outputs=("state.v",)))
    with pytest.raises(FormatError, match="no two are equal"):
        layout(step("state.v", "current", outputs=("state.v", "out.x", "out.x")))


@pytest.mark.parametrize("value", [3, -1, "0"])
def test_an_output_that_is_no_value_is_refused(value: int):
    with pytest.raises(FormatError, match="outputs that are values of the program"):
        layout(Program(("state.v", "current"), (), (("state.v", value),)))


def test_a_backward_program_of_another_step_is_refused():
    b = Builder(("state.v", "current"))
    one = b.finish({"state.v": b.op("add", 0, 1), "out.spikes": 0})
    c = Builder(("state.v", "state.w", "current"))
    two = c.finish({"state.v": c.op("add", 0, 1), "state.w": 2, "out.spikes": 0})
    check_vjp(layout(lower(one)), vjp(one, one.inputs))
    with pytest.raises(FormatError, match=r"backward program: expected .*, got .*state.w"):
        check_vjp(layout(lower(one)), vjp(two, two.inputs))
    with pytest.raises(FormatError, match=r"backward program: expected .*grad_state.v.*, got grad_current"):
        check_vjp(layout(lower(one)), vjp(one, ("current",)))
