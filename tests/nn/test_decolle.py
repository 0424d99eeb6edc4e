import numpy as np
import pytest
import torch
from torch import nn

from ranvier.core.errors import ConfigError
from ranvier.nn import decolle


def test_it_is_the_recursion_of_the_paper():
    alpha, beta, gamma, w = 0.9, 0.8, 0.65, 0.7
    layer = nn.Linear(6, 5).double()
    rng = torch.Generator().manual_seed(0)
    nn.init.uniform_(layer.weight, -3, 3, generator=rng)
    nn.init.uniform_(layer.bias, -0.4, 0.4, generator=rng)
    s_TBN = (torch.rand(60, 3, 6, generator=rng) < 0.3).double()
    ours = decolle(layer, alpha=alpha, beta=beta, gamma=gamma, w=w)(s_TBN).detach().numpy()
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    q, p, r, s = np.zeros((3, 6)), np.zeros((3, 6)), np.zeros((3, 5)), np.zeros((3, 5))
    expected = []
    for s_in in s_TBN.numpy():
        q, p = beta * q + (1 - beta) * s_in, alpha * p + (1 - alpha) * q
        r = gamma * r - (1 - gamma) * w * s
        u = p @ weight.T + bias + r
        s = (u > 0).astype(float)
        expected.append(s)
    assert 0.1 < np.mean(expected) < 0.9
    np.testing.assert_array_equal(ours, np.stack(expected))


def test_a_factor_that_is_no_decay_is_refused():
    with pytest.raises(ConfigError, match=r"^decolle: beta: expected a factor in \(0, 1\), got 1\.0"):
        decolle(nn.Linear(2, 2), beta=1.0)
