import re

import pytest
import torch
from torch import nn

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.core.reset import ToValue
from ranvier.core.surrogates import Triangle
from ranvier.neurons import LIF
from ranvier.nn.learned import adopt, check_broadcast, live


class Twofold(ToValue):
    """A reset with two numbers."""

    extra: float = 0.5


def test_parts_of_a_neuron_share_one_submodule():
    module = nn.Module()
    adopt(module, LIF(reset=Twofold(v_reset=torch.tensor(-1.0))), ("reset.extra", "v_th"))
    assert list(dict(module.named_children())) == ["reset"]
    assert set(module.state_dict()) == {"reset.v_reset", "reset.extra", "v_th"}
    found = live(module, ["reset.v_reset", "reset.extra", "v_th"])
    assert [v.item() for v in found.values()] == [-1.0, 0.5, 1.0]
    assert [isinstance(v, nn.Parameter) for v in found.values()] == [False, True, True]


def test_a_surrogate_has_one_number_for_all():
    module = nn.Module()
    described = adopt(module, LIF(surrogate=Triangle(gamma=torch.tensor(0.25), width=2.0)), ())
    assert described.surrogate == Triangle(gamma=0.25, width=2.0)
    assert module.state_dict() == {}
    with pytest.raises(
        ConfigError, match=re.escape("Module, surrogate.gamma: expected one number for all neurons, got a")
    ):
        adopt(module, LIF(surrogate=Triangle(gamma=torch.ones(3))), ())


def test_the_values_are_copies():
    tau = torch.full((3,), 2.0, requires_grad=True)
    module = nn.Module()
    described = adopt(module, LIF(tau_m=tau), ("tau_m",))
    with torch.no_grad():
        tau.fill_(9.0)
        module.tau_m.fill_(5.0)
    assert described.tau_m.tolist() == [2.0, 2.0, 2.0]
    assert not described.tau_m.requires_grad


def test_broadcasting_is_that_of_numpy_but_never_widens_the_input():
    x = torch.zeros(7, 2, 3, 4)
    for shape in ((), (4,), (3, 1), (1, 3, 4), (2, 3, 4), (1,)):
        check_broadcast("L", {"a": torch.zeros(shape)}, x)
    for shape in ((3,), (2, 1), (1, 1, 1, 1), (5, 1, 1)):
        with pytest.raises(
            ShapeError,
            match=re.escape(f"L: expected a of a shape that broadcasts against (B, ...) = (2, 3, 4), got {shape}"),
        ):
            check_broadcast("L", {"a": torch.zeros(shape)}, x)  # fmt: skip
