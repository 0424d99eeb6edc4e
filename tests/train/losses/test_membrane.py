import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.train.losses import MembraneCrossEntropy


def outputs():
    return torch.randn(6, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("at", ["max", "last"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_it_is_the_cross_entropy_of_the_membrane_written_out(at, smoothing):
    o, y = outputs(), np.array([0, 3, 1, 1, 2])
    v = o.numpy().max(0) if at == "max" else o.numpy()[-1]
    p = np.exp(v) / np.exp(v).sum(-1, keepdims=True)
    wanted = (1 - smoothing) * np.eye(4)[y] + smoothing / 4
    expected = -(wanted * np.log(p)).sum(-1).mean()
    got = MembraneCrossEntropy(at=at, label_smoothing=smoothing)(o, torch.tensor(y))
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_the_gradient_reaches_the_steps_that_are_read_only():
    o = outputs().requires_grad_()
    MembraneCrossEntropy(at="max")(o, torch.zeros(5, dtype=torch.long)).backward()
    assert torch.equal(o.grad != 0, o == o.amax(0))
    o = outputs().requires_grad_()
    MembraneCrossEntropy(at="last")(o, torch.zeros(5, dtype=torch.long)).backward()
    assert (o.grad[:-1] == 0).all()
    assert (o.grad[-1] != 0).all()


def test_the_decision_reads_the_same_values():
    o = torch.zeros(3, 1, 3)
    o[0, 0, 2] = 9.0
    o[-1, 0, 1] = 4.0
    assert MembraneCrossEntropy(at="max").decide(o).tolist() == [2]
    assert MembraneCrossEntropy(at="last").decide(o).tolist() == [1]


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match=r'^MembraneCrossEntropy\.at: expected "max" or "last", got \'mean\''):
        MembraneCrossEntropy(at="mean")
    with pytest.raises(ConfigError, match=r"^MembraneCrossEntropy\.label_smoothing: expected a share"):
        MembraneCrossEntropy(label_smoothing=2.0)
