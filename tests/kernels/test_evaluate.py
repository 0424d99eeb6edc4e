import torch

from ranvier.core.program import ARITY, Builder
from ranvier.kernels.evaluate import MEANING, evaluate


def test_every_operation_that_executors_see_has_a_meaning():
    assert set(MEANING) == set(ARITY) - {"const", "spike", "detach"}


def test_a_program_computes_what_its_formula_says():
    b = Builder(("x", "y"))
    above = b.op("gt", 0, 1)
    program = b.finish({"z": b.op("where", above, b.op("exp", 0), b.op("mul", b.const(2.0), 1)), "above": above})
    x, y = torch.tensor([1.0, 2.0], dtype=torch.float64), torch.tensor([1.5, 1.5], dtype=torch.float64)
    result = evaluate(program, {"x": x, "y": y})
    assert result["above"].tolist() == [0.0, 1.0]
    torch.testing.assert_close(result["z"], torch.tensor([3.0, torch.e**2], dtype=torch.float64))
