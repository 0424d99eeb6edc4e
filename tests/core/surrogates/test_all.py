"""What holds for every surrogate that is exported."""

import pytest
import torch

import ranvier.core.surrogates as room
from ranvier.core.neuron import Neuron
from ranvier.core.surrogate import Soft, Surrogate, spike

ALL = [getattr(room, name)() for name in room.__all__]
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
every = pytest.mark.parametrize("surrogate", ALL, ids=lambda s: type(s).__name__)
# Where the derivative jumps, a finite difference across the jump is meaningless: stay away from these places.
JUMPS = {"Rectangle": (-0.5, 0.5), "Leaky": (0.0,)}


def grid(surrogate: Surrogate) -> torch.Tensor:
    x = torch.linspace(-3, 3, 1501, dtype=torch.float64) + 1e-4
    for jump in JUMPS.get(type(surrogate).__name__, ()):
        x = x[(x - jump).abs() > 1e-3]
    return x


@every
def test_the_derivative_is_the_slope_of_the_primitive(surrogate):
    x, h = grid(surrogate), 1e-6
    slope = (surrogate.primitive(x + h) - surrogate.primitive(x - h)) / (2 * h)
    # Central differences err by h^2/6 g''' and rounding by 1e-16/h; a kink inside +-h adds h g''.
    torch.testing.assert_close(surrogate.derivative(x), slope, rtol=1e-4, atol=2e-4)


@every
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_all_is_finite_up_to_1e30(surrogate, dtype):
    largest = min(1e30, torch.finfo(dtype).max)
    sizes = torch.logspace(-30, 30, 241, dtype=torch.float64)
    x = torch.cat(
        [-sizes, torch.zeros(1, dtype=torch.float64), sizes, torch.linspace(-50, 50, 999, dtype=torch.float64)]
    )
    x = x.clamp(-largest, largest).to(dtype)
    assert torch.isfinite(x).all()
    for name in ("derivative", "primitive"):
        y = getattr(surrogate, name)(x)
        assert y.dtype == dtype, name
        assert torch.isfinite(y).all(), (name, x[~torch.isfinite(y)][:5])


@every
def test_the_derivative_is_nowhere_negative_and_passes_gradients_near_the_threshold(surrogate):
    x = torch.linspace(-40, 40, 4001, dtype=torch.float64)
    assert (surrogate.derivative(x) >= 0).all()
    assert surrogate.derivative(torch.zeros(1)).item() > 0


@every
def test_the_primitive_grows(surrogate):
    y = surrogate.primitive(torch.linspace(-40, 40, 4001, dtype=torch.float64))
    assert (torch.diff(y) >= -1e-12).all()


@every
def test_half_precision_follows_double_precision(surrogate):
    x = torch.linspace(-5, 5, 401, dtype=torch.float64).to(torch.float16)
    exact = surrogate.derivative(x.double())
    # A few operations of relative error 2^-11 each; a wide exponent multiplies it by its size, at most 12 here.
    torch.testing.assert_close(surrogate.derivative(x).double(), exact, rtol=2e-2, atol=4e-3)


@every
def test_a_spike_is_differentiated_through_it(surrogate):
    x = torch.linspace(-2, 2, 41, dtype=torch.float64, requires_grad=True)
    fired = spike(x, surrogate)
    assert set(fired.tolist()) == {0.0, 1.0}
    (grad,) = torch.autograd.grad(fired.sum(), x)
    torch.testing.assert_close(grad, surrogate.derivative(x.detach()))


@every
def test_a_soft_spike_is_its_primitive(surrogate):
    x = torch.linspace(-2, 2, 40, dtype=torch.float64)
    torch.testing.assert_close(spike(x, Soft(of=surrogate)), surrogate.primitive(x))


@every
def test_it_takes_tensors_for_its_parameters(surrogate):
    kind, x = type(surrogate), torch.linspace(-2, 2, 5, dtype=torch.float64)
    values = {name: torch.full((5,), float(value), dtype=torch.float64) for name, value in vars(surrogate).items()}
    torch.testing.assert_close(kind(**values).derivative(x), surrogate.derivative(x))
    torch.testing.assert_close(kind(**values).primitive(x), surrogate.primitive(x))


def test_the_exports_are_surrogates_in_a_file_each_with_docstring_and_source():
    for surrogate in ALL:
        kind = type(surrogate)
        assert isinstance(surrogate, Surrogate)
        assert kind.__doc__
        module = __import__(kind.__module__, fromlist=["x"])
        assert "Source:" in module.__doc__, kind.__name__
    assert len({type(s).__module__ for s in ALL}) == len(ALL)
    assert Neuron.surrogate == room.ATan()
