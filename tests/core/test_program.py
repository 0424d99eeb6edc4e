import pytest

from ranvier.core.errors import FormatError
from ranvier.core.program import Builder, lower, parse, prune
from ranvier.core.surrogates.atan import ATan


def leaky():
    b = Builder(("v", "x"))
    v = b.op("add", b.op("mul", b.const(0.5), 0), 1)
    s = b.spike(b.op("sub", v, b.const(1.0)), ATan(), False)
    return b.finish({"v": b.op("detach", v), "s": s})


def test_text_form_says_everything_and_reads_back():
    program = lower(leaky())
    assert parse(str(program)) == program
    assert str(program).splitlines()[0] == "in v x"
    assert "4 add 3 1" in str(program).splitlines()


def test_constants_survive_the_text_form_to_the_last_bit():
    b = Builder(("x",))
    program = b.finish({"y": b.op("mul", 0, b.const(0.1 + 0.2)), "z": b.const(float("inf"))})
    assert parse(str(program)) == program


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "a first line 'in ...'"),
        ("in x\nout", None),
        ("in x\n1 fly 0\nout y=1", "line 2: expected '1 operation operands'"),
        ("in x\n1 spike 0\nout y=1", "line 2"),
        ("in x\n1 add 0\nout y=1", "line 2: expected 2 values below 1"),
        ("in x\n1 add 0 1\nout y=1", "line 2: expected 2 values below 1"),
        ("in x\n1 add 0 -1\nout y=1", "line 2: expected 2 values below 1"),
        ("in x\n2 neg 0\nout y=1", "line 2: expected '1 operation operands'"),
        ("in x\n1 const\nout y=1", "line 2: expected numbers as operands"),
        ("in x\n1 neg zero\nout y=1", "line 2: expected numbers as operands"),
        ("in x\n1 neg 0\nout y=2", "outputs 'name=value' of known values"),
        ("in x\n1 neg 0\nout y", "outputs 'name=value' of known values"),
    ],
)
def test_malformed_text_is_refused_with_its_line(text, expected):
    if expected is None:
        assert parse(text).outputs == ()
        return
    with pytest.raises(FormatError, match=expected.replace("(", r"\(")):
        parse(text)


def test_builder_shares_equal_instructions_and_folds_constants():
    b = Builder(("x",))
    assert b.op("exp", 0) == b.op("exp", 0)
    assert b.constant(b.op("mul", b.const(3.0), b.const(0.5))) == 1.5
    assert b.constant(0) is None


def test_builder_drops_operations_that_change_no_bit():
    b = Builder(("x", "y"))
    zero, one = b.const(0.0), b.const(1.0)
    assert [b.op("add", 0, zero), b.op("sub", 0, zero), b.op("mul", 0, one), b.op("div", 0, one)] == [0, 0, 0, 0]
    assert [b.op("add", zero, 1), b.op("mul", one, 1)] == [1, 1]
    assert b.op("where", 0, 1, 1) == 1
    assert b.op("sub", zero, 0) != 0


def test_builder_leaves_impossible_constants_to_the_executor():
    b = Builder(("x",))
    assert b.constant(b.op("div", b.const(1.0), b.const(0.0))) is None
    assert b.constant(b.op("log", b.const(-1.0))) is None


def test_constants_zero_and_minus_zero_stay_apart():
    b = Builder(())
    assert b.const(0.0) != b.const(-0.0)


def test_prune_keeps_only_what_outputs_need():
    b = Builder(("x",))
    b.op("exp", 0)
    kept = b.op("neg", 0)
    program = b.finish({"y": kept})
    assert [i.op for i in program.body] == ["neg"]
    assert prune(program) == program


@pytest.mark.parametrize(("strict", "op"), [(False, "ge"), (True, "gt")])
def test_lowering_turns_spikes_into_comparisons_and_drops_detach(strict, op):
    b = Builder(("x",))
    program = lower(b.finish({"s": b.op("detach", b.spike(0, ATan(), strict))}))
    assert [i.op for i in program.body] == ["const", op]
