import pytest
import torch

from ranvier.core.errors import TraceError
from ranvier.core.program import ARITY, Builder, Instruction, Program, lower
from ranvier.core.surrogate import spike
from ranvier.core.surrogates.atan import ATan
from ranvier.kernels.evaluate import MEANING, evaluate
from ranvier.kernels.vjp import PARTIALS, vjp

X = torch.tensor([0.3, 1.7, 0.9, 2.2], dtype=torch.float64)
Y = torch.tensor([1.1, 0.4, 0.9, 3.0], dtype=torch.float64)  # equal to X once: the tie of min and max
G = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)


def gradients(program):
    backward = vjp(program, program.inputs)
    inputs = dict(zip(program.inputs, (X, Y, 1 - Y), strict=False)) | {"grad.z": G}
    result = evaluate(backward, inputs)
    return [result[f"grad_{name}"].expand(4) for name in program.inputs]


@pytest.mark.parametrize("op", [op for op in MEANING if op != "not"])
def test_gradient_of_every_operation_equals_that_of_autograd(op):
    names = ("x", "y", "w")[: ARITY[op]]
    b = Builder(names)
    ours = gradients(b.finish({"z": b.op(op, *range(len(names)))}))
    tensors = [t.clone().requires_grad_() for t in (X, Y, 1 - Y)[: len(names)]]
    z = MEANING[op](*tensors)
    if not z.dtype.is_floating_point:
        assert all((g == 0).all() for g in ours)
        return
    theirs = torch.autograd.grad((z.to(X.dtype) * G).sum(), tensors, allow_unused=True, materialize_grads=True)
    for a, e, name in zip(ours, theirs, names, strict=True):
        if op in ("where", "and", "or") and (name == "x" or op != "where"):
            assert (a == 0).all()  # truth values carry no gradient
        else:
            torch.testing.assert_close(a, e, rtol=1e-13, atol=1e-15)


def test_gradients_of_a_value_used_twice_add_up():
    b = Builder(("x",))
    (g,) = gradients(b.finish({"z": b.op("mul", b.op("exp", 0), 0)}))
    torch.testing.assert_close(g, G * (1 + X) * X.exp(), rtol=1e-13, atol=0)


def test_gradient_of_a_spike_is_its_surrogates():
    b = Builder(("x",))
    (g,) = gradients(b.finish({"z": b.op("mul", b.const(3.0), b.spike(0, ATan(alpha=1.5), False))}))
    x = X.clone().requires_grad_()
    (3.0 * spike(x, ATan(alpha=1.5)) * G).sum().backward()
    torch.testing.assert_close(g, x.grad, rtol=1e-13, atol=0)


def test_detach_stops_the_flow():
    b = Builder(("x",))
    (g,) = gradients(b.finish({"z": b.op("mul", b.op("detach", 0), 0)}))
    torch.testing.assert_close(g, G * X, rtol=1e-15, atol=0)


def test_power_of_a_constant_exponent_needs_no_logarithm():
    b = Builder(("x",))
    program = b.finish({"z": b.op("pow", 0, b.const(1.3))})
    assert "log" not in [i.op for i in vjp(program, ("x",)).body]
    torch.testing.assert_close(gradients(program)[0], G * 1.3 * X**0.3, rtol=1e-13, atol=0)


def test_input_that_nothing_depends_on_has_gradient_zero():
    b = Builder(("x", "y"))
    gx, gy = gradients(b.finish({"z": b.op("neg", 0)}))
    assert torch.equal(gx, -G)
    assert (gy == 0).all()


def test_all_operations_have_a_rule():
    assert set(PARTIALS) == set(ARITY) - {"const", "spike"}


def test_operation_without_a_rule_is_refused(monkeypatch):
    program = Program(("x",), (Instruction("exp", (0,)),), (("z", 1),))
    monkeypatch.setattr("ranvier.kernels.vjp.PARTIALS", {})
    with pytest.raises(TraceError, match="operations with a derivative, got exp"):
        vjp(program, ("x",))


def test_backward_program_is_in_lowered_form():
    b = Builder(("x",))
    program = b.finish({"z": b.op("detach", b.spike(0, ATan(), True)), "w": b.op("exp", b.spike(0, ATan(), True))})
    assert not {"spike", "detach"} & {i.op for i in vjp(program, ("x",)).body}
    assert [i.op for i in lower(program).body][:2] == ["const", "gt"]
