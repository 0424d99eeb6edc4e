"""What holds for every stateful layer that this room exports."""

import copy
import inspect
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

import ranvier.nn as rn
from ranvier.core.errors import DtypeError, ShapeError, StateError
from ranvier.neurons import ALIF, LIF


class Case(NamedTuple):
    layer: rn.Stateful
    x: Tensor  # (T, B, C, ...)


T, B, C = 8, 3, 4


def make(name):
    """Build an example of a layer and an input that it says something to."""
    generator = torch.Generator().manual_seed(3)
    x = torch.rand(T, B, C, 5, generator=generator) * 6 - 1
    layers = {
        "Spiking": lambda: rn.Spiking(LIF(tau_m=torch.tensor([[2.0], [3.0], [4.0], [5.0]])), learn=("tau_m", "v_th")),
        "Recurrent": lambda: rn.Recurrent(ALIF(tau_m=3.0), 5, bias=True),
        "TEBN": lambda: rn.TEBN(C, T),
        "BNTT": lambda: rn.BNTT(C, T),
        "Dropout": lambda: rn.Dropout(0.5),
        "Delay": lambda: rn.Delay(3),
        "MaskedPSN": lambda: rn.MaskedPSN(T, 3),
        "SlidingPSN": lambda: rn.SlidingPSN(3),
    }
    layer = layers[name]()
    with torch.no_grad():
        for p in layer.parameters():
            if name != "Spiking":
                p.copy_((torch.randn(p.shape, generator=generator) * 8).round() / 8)
        for key, b in layer.named_buffers():
            b.uniform_(0.5, 2.0, generator=generator) if key == "running_var" else None
    return Case(layer.eval(), x)


# Their outputs are of other shapes than their inputs (Competition, DelayConv2d, DelayedLinear, ELM, LMU, L2MU), or they
# draw anew at every call (Stochastic): their own tests say what of this holds for them.
APART = {"Competition", "DelayConv2d", "DelayedLinear", "ELM", "L2MU", "LMU", "Stochastic"}
NAMES = [
    name for name in rn.__all__
    if name not in APART and inspect.isclass(kind := getattr(rn, name)) and issubclass(kind, rn.Stateful) and not inspect.isabstract(kind)
]  # fmt: skip


@pytest.fixture(params=NAMES)
def case(request):
    return make(request.param)


def test_there_are_layers_to_look_at():
    assert set(NAMES) == {"BNTT", "Delay", "Dropout", "MaskedPSN", "Recurrent", "SlidingPSN", "Spiking", "TEBN"}


def test_it_says_something_that_depends_on_its_input(case):
    y = case.layer(case.x)
    assert y.shape == case.x.shape
    assert y.unique().numel() > 1
    assert not torch.equal(y, case.layer(case.x.flip(0)))


@pytest.mark.parametrize("cuts", [(1,) * T, (3, 5), (T - 1, 1), (2, 2, 2, 2)], ids=str)
def test_chunked_is_whole_bit_for_bit(case, cuts):
    whole, end = case.layer.run(case.x)
    state, rows = None, []
    for part in case.x.split(cuts):
        y, state = case.layer.run(part, state)
        rows.append(y)
    assert torch.equal(torch.cat(rows), whole)
    assert all(torch.equal(a, b) for a, b in zip(state, end, strict=True))


def test_calling_is_running_from_rest_and_twice_the_same(case):
    y = case.layer(case.x)
    assert torch.equal(case.layer(case.x), y)
    assert torch.equal(case.layer.run(case.x)[0], y)
    assert torch.equal(rn.run(case.layer, case.x)[0], y)


def test_the_state_is_a_named_tuple_with_the_batch_first(case):
    _, state = case.layer.run(case.x)
    assert type(state) is case.layer.state_type
    assert [v.shape for v in state] == list(case.layer.state_shapes(case.x))
    assert all(v.shape[0] == B for v in state)


def test_parts_of_a_batch_go_on_alone(case):
    _, state = case.layer.run(case.x[:3])
    whole, _ = case.layer.run(case.x[3:], state)
    part, _ = case.layer.run(case.x[3:, 1:2], type(state)(*(v[1:2] for v in state)))
    assert torch.equal(part, whole[:, 1:2])


def test_a_state_of_another_shape_or_kind_is_refused(case):
    _, state = case.layer.run(case.x[:1])
    for wrong in (type(state)(*(v[:2] for v in state)), type(state)(*(v[..., None] for v in state))):
        with pytest.raises(
            StateError, match=r"expected state\.\w+ of shape .* for this input, got .* starts from rest"
        ):
            case.layer.run(case.x[1:], wrong)
    for wrong in (tuple(state), dict(state._asdict()), 0):
        with pytest.raises(StateError, match="expected a state with the fields"):
            case.layer.run(case.x[1:], wrong)


def test_a_run_changes_neither_state_nor_input(case):
    with torch.no_grad():
        _, state = case.layer.run(case.x[:3])
    held = copy.deepcopy((case.x, tuple(state)))
    case.layer.run(case.x[3:], state)
    assert torch.equal(case.x, held[0])
    assert all(torch.equal(a, b) for a, b in zip(state, held[1], strict=True))


@pytest.mark.parametrize("training", [False, True])
def test_a_run_adds_or_replaces_no_attribute(case, training):
    layer = case.layer.train(training)
    spaces = [m.__dict__ for m in layer.modules()]
    before = [{k: dict(v) if isinstance(v, dict) else v for k, v in space.items()} for space in spaces]
    layer(case.x)
    after = [{k: dict(v) if isinstance(v, dict) else v for k, v in space.items()} for space in spaces]
    for old, new in zip(before, after, strict=True):
        assert old.keys() == new.keys()
        for key, value in old.items():
            if isinstance(value, dict):
                assert [(k, id(v)) for k, v in value.items()] == [(k, id(v)) for k, v in new[key].items()], key
            else:
                assert value is new[key] or value == new[key], key


def test_what_is_no_sequence_is_refused(case):
    with pytest.raises(ShapeError, match="expected at least one time step, got an empty sequence"):
        case.layer(case.x[:0])
    with pytest.raises(ShapeError, match="at least 2 axes"):
        case.layer(torch.zeros(3))
    with pytest.raises(DtypeError, match=r"expected a floating input, got torch\.int64"):
        case.layer(case.x.long())


def test_an_empty_batch_gives_an_empty_batch(case):
    y, state = case.layer.run(case.x[:, :0])
    assert y.shape == case.x[:, :0].shape
    assert case.layer.run(case.x[:1, :0])[0].shape == (1, 0, C, 5)
    assert all(v.shape[0] == 0 for v in state)


def test_a_deep_copy_and_a_state_dict_say_the_same(case):
    y = case.layer(case.x)
    other = copy.deepcopy(case.layer)
    assert torch.equal(other(case.x), y)
    other.load_state_dict(case.layer.state_dict())
    assert torch.equal(other(case.x), y)


def test_gradients_reach_the_input_and_every_parameter(case):
    x = case.x.clone().requires_grad_()
    (case.layer(x) * torch.arange(T).reshape(T, 1, 1, 1)).sum().backward()
    assert x.grad.abs().sum() > 0
    for name, p in case.layer.named_parameters():
        assert p.grad is not None, name
        assert p.grad.abs().sum() > 0, name


def test_a_stream_saves_and_loads(case, tmp_path):
    stream = rn.Stream(case.layer, batch=B)
    stream.run(case.x[:3])
    stream.save(tmp_path / "s")
    other = rn.Stream(case.layer, batch=B)
    other.load(tmp_path / "s")
    assert torch.equal(other.run(case.x[3:]), case.layer(case.x)[3:])
