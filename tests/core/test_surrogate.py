import math

import torch

from ranvier.core.surrogate import Soft, spike
from ranvier.core.surrogates.atan import ATan

X = torch.tensor([-1.0, 0.0, 0.5])


def test_spike_fires_at_the_threshold_unless_strict():
    assert spike(X, ATan()).tolist() == [0.0, 1.0, 1.0]
    assert spike(X, ATan(), strict=True).tolist() == [0.0, 0.0, 1.0]


def test_gradient_of_the_spike_is_the_surrogate_times_the_incoming_one():
    x = X.double().requires_grad_()
    (spike(x, ATan(alpha=3.0)) * torch.tensor([1.0, 2.0, -1.0])).sum().backward()
    expected = [g * 1.5 / (1 + (math.pi / 2 * 3.0 * v) ** 2) for g, v in zip((1, 2, -1), X.tolist(), strict=True)]
    torch.testing.assert_close(x.grad, torch.tensor(expected, dtype=torch.float64))


def test_soft_spike_is_its_primitive():
    assert torch.equal(spike(X, Soft(of=ATan())), ATan().primitive(X))
    assert torch.equal(Soft(of=ATan()).derivative(X), ATan().derivative(X))
    x = X.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: spike(x, Soft(of=ATan())), x)


def test_spike_keeps_the_type_of_number():
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        assert spike(X.to(dtype), ATan()).dtype == dtype


def test_spike_works_under_vmap():
    assert torch.equal(torch.vmap(lambda x: spike(x, ATan()))(X), spike(X, ATan()))
