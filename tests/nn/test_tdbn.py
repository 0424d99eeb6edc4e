import re

import numpy as np
import pytest
import torch

import ranvier.nn as rn
from ranvier.core.errors import ConfigError, DtypeError, ShapeError


def test_training_gives_mean_0_and_the_scale_of_the_threshold(seeded):
    x = torch.randn(6, 4, 3, 5, 5, generator=seeded, dtype=torch.float64) * 7 + 2
    norm = rn.TdBN(3, v_th=0.5, alpha=2**-0.5).double()
    y = norm(x)
    np.testing.assert_allclose(y.mean((0, 1, 3, 4)).detach(), 0, atol=1e-12)
    np.testing.assert_allclose(y.std((0, 1, 3, 4), unbiased=False).detach(), 0.5 / np.sqrt(2), rtol=1e-6)


def test_the_formula_with_weight_and_bias(seeded):
    x = torch.randn(6, 4, 3, generator=seeded, dtype=torch.float64)
    norm = rn.TdBN(3, v_th=0.7, eps=0.01).double()
    weight, bias = np.array([1.0, -2.0, 0.5]), np.array([0.1, 0.2, 0.3])
    with torch.no_grad():
        norm.weight.copy_(torch.tensor(weight))
        norm.bias.copy_(torch.tensor(bias))
    n = x.numpy()
    expected = weight * 0.7 * (n - n.mean((0, 1))) / np.sqrt(n.var((0, 1)) + 0.01) + bias
    np.testing.assert_allclose(norm(x).detach(), expected, atol=1e-12)


def test_evaluation_uses_running_statistics_and_is_the_same_step_by_step(seeded):
    x = torch.randn(6, 4, 3, generator=seeded, dtype=torch.float64) * 3 + 1
    norm = rn.TdBN(3, momentum=1.0).double()
    norm(x)
    norm.eval()
    n = x.numpy()
    expected = (n - n.mean((0, 1))) / np.sqrt(n.var((0, 1), ddof=1) + 1e-5)
    np.testing.assert_allclose(norm(x).detach(), expected, atol=1e-12)
    torch.testing.assert_close(torch.cat([norm(x[:1]), norm(x[1:])]), norm(x))
    assert set(norm.state_dict()) == {"weight", "bias", "running_mean", "running_var"}


@pytest.mark.parametrize(
    ("x", "kind", "text"),
    [
        (torch.zeros(4, 3), ShapeError, "TdBN: expected input (T, B, 3, ...), got (4, 3)."),
        (torch.zeros(4, 1, 2), ShapeError, "got (4, 1, 2). Build it with num_features=2."),
        (torch.zeros(4, 1, 3, dtype=torch.int64), DtypeError, "TdBN: expected a floating input"),
    ],
)
def test_an_input_that_does_not_fit_is_refused(x, kind, text):
    with pytest.raises(kind, match=re.escape(text)):
        rn.TdBN(3)(x)


@pytest.mark.parametrize("bad", [{"v_th": 0.0}, {"alpha": -1.0}, {"v_th": float("nan")}])
def test_a_scale_that_is_not_positive_is_refused(bad):
    with pytest.raises(ConfigError, match="TdBN: expected alpha"):
        rn.TdBN(3, **bad)


def test_it_says_what_it_is():
    assert repr(rn.TdBN(3, v_th=0.5)) == "TdBN(3, v_th=0.5, alpha=1, eps=1e-05)"
