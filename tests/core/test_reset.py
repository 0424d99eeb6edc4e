import torch

from ranvier.core.reset import NoReset, Subtract, ToValue

V, S = torch.tensor([1.5, 0.5]), torch.tensor([1.0, 0.0])


def test_subtract_keeps_what_exceeds_the_threshold():
    assert torch.equal(Subtract()(V, S, 1.0), torch.tensor([0.5, 0.5]))


def test_to_value_forgets_the_potential():
    assert torch.equal(ToValue(v_reset=-2.0)(V, S, 1.0), torch.tensor([-2.0, 0.5]))
    assert ToValue(v_reset="-65 mV").v_reset == -65.0


def test_no_reset_changes_nothing():
    assert NoReset()(V, S, 1.0) is V


def test_detach_cuts_the_gradient_through_the_spike_only():
    for detach, through_spike in ((False, -1.0), (True, 0.0)):
        v, s = V.clone().requires_grad_(), S.clone().requires_grad_()
        Subtract(detach=detach)(v, s, 1.0).sum().backward()
        assert torch.equal(v.grad, torch.ones(2))
        assert (s.grad is None and through_spike == 0.0) or torch.equal(s.grad, torch.full((2,), through_spike))
