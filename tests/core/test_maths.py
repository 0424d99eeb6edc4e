import math

import pytest
import torch

from ranvier.core import maths


@pytest.mark.parametrize("name", ["exp", "expm1", "log", "sqrt", "sin", "cos", "sigmoid"])
def test_function_of_a_number_equals_the_function_of_a_tensor(name):
    function = getattr(maths, name)
    for x in (0.3, 1.0, 2.5):
        of_number, of_tensor = function(x), function(torch.tensor(x, dtype=torch.float64))
        assert isinstance(of_number, float)
        assert isinstance(of_tensor, torch.Tensor)
        assert math.isclose(of_number, of_tensor.item(), rel_tol=1e-15)


def test_values_are_the_functions_of_mathematics():
    assert maths.exp(0.0) == 1.0
    assert maths.sigmoid(0.0) == 0.5
    assert maths.cos(math.pi) == -1.0
