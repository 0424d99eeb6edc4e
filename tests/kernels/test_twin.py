import torch

from ranvier.kernels.plan import plan
from ranvier.kernels.twin import Coefficient, backward, forward
from ranvier.neurons.lif import LIF


def programs(**kwargs):
    return plan(LIF(tau_m=torch.tensor(3.0), v_th=0.4), **kwargs).programs


def setup(T=6, N=4):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(T, N, generator=generator, dtype=torch.float64) * 2
    decay = torch.exp(torch.tensor([-1 / 3, -1 / 5], dtype=torch.float64))
    return x, [torch.zeros(N, dtype=torch.float64)], [Coefficient(decay, 1), Coefficient(1 - decay, 1)]


def test_neurons_read_the_coefficient_of_their_channel():
    x, states, coefficients = setup()
    whole = forward(programs().forward, x, states, coefficients)
    assert 0 < whole.outputs[0].mean() < 1
    for channel in range(2):
        own = [Coefficient(c.values[channel : channel + 1], 1) for c in coefficients]
        alone = forward(programs().forward, x[:, channel::2], [states[0][channel::2]], own)
        assert torch.equal(whole.outputs[0][:, channel::2], alone.outputs[0])


def test_absent_gradients_count_as_zero():
    x, states, coefficients = setup()
    found = programs()
    zero = torch.zeros_like(x)
    args = found.forward, found.backward, x, states, coefficients
    end = torch.ones(4, dtype=torch.float64)
    a = backward(*args, [None], [end])
    b = backward(*args, [zero], [end])
    assert a.current.abs().sum() > 0
    assert torch.equal(a.current, b.current)
    assert torch.equal(a.coefficients[0], b.coefficients[0])
    assert (backward(*args, [None], [None]).current == 0).all()


def test_no_steps_and_no_neurons_are_fine():
    for T, N in ((0, 3), (3, 0)):
        x, states, coefficients = setup(T, N)
        result = forward(programs().forward, x, states, coefficients)
        assert result.outputs[0].shape == (T, N)
        assert torch.equal(result.states[0], states[0])
        grads = backward(programs().forward, programs().backward, x, states, coefficients, [x], [states[0]])
        assert grads.current.shape == (T, N)
