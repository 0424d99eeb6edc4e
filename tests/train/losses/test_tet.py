import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.train.losses import TET


@pytest.mark.parametrize(
    ("lam", "phi", "smoothing"), [(0.05, 1.0, 0.0), (0.3, 0.5, 0.1), (0.0, 1.0, 0.0), (1.0, 1.0, 0.0)]
)
def test_it_is_the_formula_of_the_paper_written_out(lam, phi, smoothing):
    o = torch.randn(6, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = np.array([0, 3, 1, 1, 2])
    wanted = (1 - smoothing) * np.eye(4)[y] + smoothing / 4
    total = 0.0
    for o_BK in o.numpy():  # (1/T) sum_t [(1 - lam) CE(o_t, y) + lam MSE(o_t, phi)]
        p = np.exp(o_BK) / np.exp(o_BK).sum(-1, keepdims=True)
        total += (1 - lam) * -(wanted * np.log(p)).sum(-1).mean() + lam * ((o_BK - phi) ** 2).mean()
    got = TET(lam=lam, phi=phi, label_smoothing=smoothing)(o, torch.tensor(y))
    np.testing.assert_allclose(got, total / 6, rtol=1e-12)


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match=r"^TET\.lam: expected a weight in \[0, 1\], got 1\.5"):
        TET(lam=1.5)
    with pytest.raises(ConfigError, match=r"^TET\.label_smoothing: expected a share"):
        TET(label_smoothing=-0.5)
