import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.train.losses import RateCrossEntropy


def outputs():
    return torch.randn(6, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_it_is_the_cross_entropy_of_the_mean_written_out(smoothing):
    o, y = outputs(), np.array([0, 3, 1, 1, 2])
    wanted = (1 - smoothing) * np.eye(4)[y] + smoothing / 4
    expected = -(wanted * log_softmax(o.numpy().mean(0))).sum(-1).mean()
    got = RateCrossEntropy(label_smoothing=smoothing)(o, torch.tensor(y))
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_the_decision_is_the_class_that_is_largest_on_average():
    o = torch.zeros(3, 2, 3)
    o[0, 0, 2] = 9.0  # a single peak
    o[:, 0, 1] = 4.0  # more on average
    o[:, 1, 0] = 1.0
    assert RateCrossEntropy().decide(o).tolist() == [1, 0]


@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan")])
def test_a_smoothing_that_is_no_share_is_refused(value):
    with pytest.raises(ConfigError, match=r"^RateCrossEntropy\.label_smoothing: expected a share in \[0, 1\)"):
        RateCrossEntropy(label_smoothing=value)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_shares_of_classes_are_targets_too(smoothing):
    o = outputs()
    y = np.random.default_rng(0).dirichlet(np.ones(4), size=5)
    wanted = (1 - smoothing) * y + smoothing / 4
    expected = -(wanted * log_softmax(o.numpy().mean(0))).sum(-1).mean()
    got = RateCrossEntropy(label_smoothing=smoothing)(o, torch.tensor(y))
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_shares_of_another_shape_are_refused():
    with pytest.raises(
        ShapeError, match=r"^RateCrossEntropy: expected shares of classes \(B, K\) = \(5, 4\), got \(5, 3\)"
    ):
        RateCrossEntropy()(outputs(), torch.zeros(5, 3))
