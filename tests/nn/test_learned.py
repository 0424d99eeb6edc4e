import re

import pytest
import torch
from torch import nn

from ranvier.core.errors import ShapeError
from ranvier.core.reset import ToValue
from ranvier.core.surrogates import Triangle
from ranvier.neurons import LIF
from ranvier.nn.learned import adopt, check_broadcast, live


def test_parts_of_a_neuron_share_one_submodule():
    module = nn.Module()
    neuron = LIF(reset=ToValue(v_reset=torch.tensor(-1.0)), surrogate=LIF().surrogate.replace(alpha=torch.tensor(3.0)))
    adopt(module, neuron, ("reset.v_reset", "v_th"))
    assert list(dict(module.named_children())) == ["surrogate", "reset"]
    assert set(module.state_dict()) == {"surrogate.alpha", "reset.v_reset", "v_th"}
    found = live(module, ["reset.v_reset", "surrogate.alpha", "v_th"])
    assert [v.item() for v in found.values()] == [-1.0, 3.0, 1.0]
    assert [isinstance(v, nn.Parameter) for v in found.values()] == [True, False, True]


def test_two_parameters_of_one_part_live_together():
    module = nn.Module()
    adopt(module, LIF(surrogate=Triangle(gamma=torch.tensor(0.3), width=torch.tensor(2.0))), ())
    assert set(module.state_dict()) == {"surrogate.gamma", "surrogate.width"}


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
