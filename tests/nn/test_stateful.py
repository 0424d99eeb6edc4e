import re
import threading
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

import ranvier.nn as rn
from ranvier.core.errors import StateError
from ranvier.neurons import LIF
from ranvier.nn.stateful import is_compiled


class Sum(rn.Stateful):
    """y[t] = sum of all inputs up to t: the simplest layer with a state."""

    class State(NamedTuple):
        total: Tensor

    @property
    def state_type(self):
        return self.State

    def run(self, x_TB, state=None):
        self.check(x_TB, state)
        start = torch.zeros_like(x_TB[0]) if state is None else state.total
        y = start + x_TB.cumsum(0)
        return y, self.State(y[-1])


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = Sum(), Sum()

    def forward(self, x):
        return self.left(x) + 10 * self.right(2 * x)


def test_a_call_starts_from_rest_always():
    layer, x = Sum(), torch.ones(3, 2)
    for _ in range(2):
        assert layer(x)[:, 0].tolist() == [1, 2, 3]


def test_a_run_goes_on_from_the_state_of_the_last():
    net, x = Pair(), torch.ones(5, 2)
    first, state = rn.run(net, x[:2])
    second, state = rn.run(net, x[2:], state)
    assert torch.cat([first, second])[:, 0].tolist() == [21, 42, 63, 84, 105]
    assert {path: s.total.tolist() for path, s in state.items()} == {"left": [5, 5], "right": [10, 10]}


def test_a_state_that_is_no_mapping_is_refused():
    with pytest.raises(StateError, match=r"Pair: expected \{path of a layer: its state\}, got a list. None starts"):
        rn.run(Pair(), torch.ones(2, 2), [1])


def test_a_network_without_state_has_an_empty_one():
    y, state = rn.run(nn.Identity(), torch.ones(2, 3))
    assert y.shape == (2, 3)
    assert state == {}


def test_a_single_layer_is_a_network_of_the_name_nothing():
    _, state = rn.run(Sum(), torch.ones(2, 3))
    assert list(state) == [""]
    y, _ = rn.run(Sum(), torch.ones(1, 3), state)
    assert y[0].tolist() == [3, 3, 3]


def test_gradients_flow_through_a_state():
    x = torch.ones(4, 1, requires_grad=True)
    net = Sum()
    _, state = rn.run(net, x[:2])
    rn.run(net, x[2:], state)[0][-1].sum().backward()
    assert x.grad.flatten().tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda s: s.pop("left"), "Pair \"left\": expected a state for this layer, got states for 'right'."),
        (lambda s: s.clear(), 'Pair "left": expected a state for this layer, got states for none.'),
        (
            lambda s: s.update(lefd=s["left"]),
            "expected states of its own layers, got one for 'lefd' (did you mean 'left'?)",
        ),
        (lambda s: s.update({"q": s["left"]}), "expected states of its own layers, got one for 'q'."),
        (lambda s: s.update(left=3.0), 'Sum "left": expected a state with the fields (total), got a float.'),
        (lambda s: s.update(left=Sum.State(1.0)), 'Sum "left": expected state.total to be a tensor, got a float.'),
        (
            lambda s: s.update(left=Sum.State(torch.zeros(3))),
            'Sum "left": expected state.total of shape (2,) for this input, got (3,). None starts from rest.',
        ),
        (
            lambda s: s.update(left=Sum.State(torch.zeros(2, device="meta"))),
            'Sum "left": expected state.total on cpu, as the input, got meta. Move the state',
        ),
    ],
)
def test_a_state_that_does_not_fit_is_refused_by_name(change, text):
    _, state = rn.run(Pair(), torch.ones(1, 2))
    change(state)
    with pytest.raises(StateError, match=re.escape(text)):
        rn.run(Pair(), torch.ones(1, 2), state)


def test_a_layer_called_twice_cannot_share_its_state():
    layer = Sum()
    net = nn.Sequential(layer, layer)
    assert net(torch.ones(2, 1)).flatten().tolist() == [1, 3]
    with pytest.raises(StateError, match=r'Sum "0": expected one call a run, got a second one. Build one layer'):
        rn.run(net, torch.ones(2, 1))


def test_a_layer_that_was_not_called_is_named():
    class Lazy(Pair):
        def forward(self, x):
            return self.left(x)

    with pytest.raises(
        StateError, match=r"Lazy: expected every stateful layer to give its state, got no call of 'right'"
    ):
        rn.run(Lazy(), torch.ones(2, 1))


def test_a_layer_that_has_no_name_is_refused():
    class Hidden(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = [Sum()]

        def forward(self, x):
            return self.parts[0](x)

    with pytest.raises(StateError, match="got one that is no submodule of it. Hold it as an attribute"):
        rn.run(Hidden(), torch.ones(2, 1))


def test_the_carrier_is_gone_after_an_error():
    class Broken(Pair):
        def forward(self, x):
            super().forward(x)
            raise KeyError("broken")

    net = Broken()
    with pytest.raises(KeyError):
        rn.run(net, torch.ones(2, 1))
    assert net.left(torch.ones(2, 1)).flatten().tolist() == [1, 2]


def test_a_run_inside_a_run_has_its_own_states():
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.own, self.inner = Sum(), [Sum()]

        def forward(self, x):
            before = self.own(x)
            other, state = rn.run(self.inner[0], x)
            assert list(state) == [""]
            return before + other

    y, state = rn.run(Outer(), torch.ones(2, 1))
    assert y.flatten().tolist() == [2, 4]
    assert list(state) == ["own"]


def test_a_stateful_layer_may_run_its_parts_itself_or_leave_them_to_the_run():
    class Whole(Sum):
        def __init__(self, explicit):
            super().__init__()
            self.part, self.explicit = Sum(), explicit

        def run(self, x_TB, state=None):
            x_TB = self.part.run(x_TB)[0] if self.explicit else self.part(x_TB)
            return super().run(x_TB, state)

    x = torch.ones(4, 1)
    for explicit, paths in ((True, [""]), (False, ["part", ""])):
        net = Whole(explicit)
        y1, state = rn.run(net, x[:2])
        assert list(state) == paths
        y2, _ = rn.run(net, x[2:], state)
        assert torch.cat([y1, y2]).flatten().tolist() == ([1, 3, 4, 6] if explicit else [1, 3, 6, 10])
    with pytest.raises(StateError, match='Sum "part": expected a state for this layer'):
        rn.run(net, x, {"": state[""]})


def test_threads_do_not_see_each_others_states():
    net, results = Sum(), {}
    barrier = threading.Barrier(4, timeout=30)

    def work(start):
        _, state = rn.run(net, torch.full((1, 1), float(start)))
        barrier.wait()
        results[start] = rn.run(net, torch.zeros(1, 1), state)[0].item()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {0: 0.0, 1: 1.0, 2: 2.0, 3: 3.0}


def test_a_compiled_network_starts_from_rest_and_does_not_lose_a_state_silently():
    net, x = Pair(), torch.ones(3, 2)
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    assert is_compiled(compiled)
    assert not is_compiled(net)
    for _ in range(2):
        assert compiled(x)[:, 0].tolist() == [21, 42, 63]
    with pytest.raises(StateError, match="A compiled network always starts from rest: run or stream the network"):
        rn.run(compiled, x)


def test_state_shapes_are_those_of_a_step_unless_said_otherwise():
    assert rn.Spiking(LIF()).state_shapes(torch.zeros(4, 3, 2)) == (torch.Size((3, 2)),)
