"""What the compiled loop promises beyond its numbers: threads, instruction sets, dirty memory, refused arrays."""

import numpy as np
import pytest
import torch

from ranvier.kernels.plan import plan
from ranvier.kernels.recurrent import loop
from ranvier.kernels.twin import Coefficient
from ranvier.neurons import ALIF, LIF

pytestmark = pytest.mark.skipif(loop.absence() is not None, reason=str(loop.absence()))

DENORMAL = 1e-40


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def sparse(*shape, share=0.1, seed=0):
    return (torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) < share).float()


def everything(T, B, N, variant=None):
    """Run forward and backward with arbitrary weights; returns all results in one list."""
    programs = plan(ALIF(tau_m=torch.full((N,), 4.0), tau_a=9.0, v_th=torch.tensor(0.5))).programs
    found = [torch.full((N,), 0.77), torch.full((N,), 0.23), torch.tensor([0.5])]
    coefficients = [Coefficient(v, 1) for v in found[: sum(n.startswith("coef.") for n in programs.forward.inputs)]]
    x, weight, bias = numbers(T, B, N) * 2, numbers(N, N, seed=1) / N**0.5, numbers(N, seed=2)
    states, last = [numbers(B, N, seed=3), numbers(B, N, seed=4).abs()], sparse(B, N)
    out = loop.forward(
        programs.forward, x, weight, bias, states, last, coefficients, spikes=0, keep=True, variant=variant
    )
    spikes = out.outputs[0]
    back = loop.backward(
        programs.forward, programs.backward, out.currents, weight, states, coefficients,
        [numbers(T, B, N, seed=5)], [None, numbers(B, N, seed=6)], spikes=0, variant=variant,
    )  # fmt: skip
    weights = loop.gradient(
        [(last, back.x[0]), (spikes[:-1].flatten(0, 1), back.x[1:].flatten(0, 1))], bias=True, variant=variant
    )
    assert 0.05 < spikes.mean() < 0.95
    return [spikes, *out.states, back.x, *back.states, back.last, *back.coefficients, *weights]


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("shape", [(40, 17, 67), (9, 64, 96)])
def test_any_number_of_threads_gives_the_same_bits(shape, threads):
    seen = []
    for count in (1, 2, 4, 7):
        threads(count)
        seen.append(everything(*shape))
    for other in seen[1:]:
        assert all(torch.equal(a, b) for a, b in zip(seen[0], other, strict=True))


def test_calling_twice_gives_the_same():
    assert all(torch.equal(a, b) for a, b in zip(everything(20, 9, 50), everything(20, 9, 50), strict=True))


def test_every_instruction_set_gives_the_same_spikes_and_close_gradients():
    seen = [everything(20, 9, 77, variant=name) for name in loop._loop().variants()]
    assert loop._loop().variants()[-1] == "baseline"
    for other in seen[1:]:
        assert torch.equal(seen[0][0], other[0])
        for a, b in zip(seen[0][1:], other[1:], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5 * float(a.abs().max()))


def test_sequences_go_on_alone_bit_for_bit():
    programs = plan(LIF(tau_m=2.0)).programs
    x, weight = numbers(20, 11, 40) * 2, numbers(40, 40, seed=1) / 6
    zero = torch.zeros(11, 40)
    whole = loop.forward(programs.forward, x, weight, None, [zero], zero, [], spikes=0, keep=False)
    part = loop.forward(programs.forward, x[:, 3:5], weight, None, [zero[:2]], zero[:2], [], spikes=0, keep=False)
    assert torch.equal(part.outputs[0], whole.outputs[0][:, 3:5])
    assert torch.equal(part.states[0], whole.states[0][3:5])


def test_chunks_equal_the_whole_to_the_last_bit():
    programs = plan(LIF(tau_m=2.0)).programs
    x, weight, zero = numbers(20, 5, 40) * 2, numbers(40, 40, seed=1) / 6, torch.zeros(5, 40)
    whole = loop.forward(programs.forward, x, weight, None, [zero], zero, [], spikes=0, keep=False)
    first = loop.forward(programs.forward, x[:7], weight, None, [zero], zero, [], spikes=0, keep=False)
    second = loop.forward(
        programs.forward, x[7:], weight, None, first.states, first.outputs[0][-1], [], spikes=0, keep=False
    )
    assert torch.equal(torch.cat([first.outputs[0], second.outputs[0]]), whole.outputs[0])
    assert torch.equal(second.states[0], whole.states[0])


def test_memory_left_by_others_does_not_matter():
    expected = everything(7, 5, 33)
    poison = torch.full((50, 9, 65), float("nan"))  # fills the scratch memory of these threads
    programs = plan(LIF(tau_m=2.0)).programs
    loop.forward(
        programs.forward, poison, poison[0, 0].expand(65, 65), None, [poison[0]], poison[0], [], spikes=0, keep=False
    )
    loop.linear(poison[0], poison[1], None)
    torch.use_deterministic_algorithms(True)  # new tensors are filled with NaN
    try:
        again = everything(7, 5, 33)
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(a, b) for a, b in zip(again, expected, strict=True))


def test_nan_and_infinity_reach_the_sequences_they_are_in_and_no_other():
    programs = plan(LIF(tau_m=2.0), outputs=("spikes", "v")).programs
    x, weight, zero = numbers(5, 9, 33), numbers(33, 33, seed=1), torch.zeros(9, 33)
    x[2, 4] = float("nan")
    out = loop.forward(programs.forward, x, weight, None, [zero], zero, [], spikes=0, keep=False)
    bad = out.outputs[1].isnan().any(2).any(0)
    assert bad.tolist() == [b == 4 for b in range(9)]


def test_denormal_numbers_are_flushed_inside_and_the_threads_mode_is_restored():
    programs = plan(LIF(tau_m=2.0), outputs=("spikes", "v")).programs
    x, zero = torch.full((3, 2, 8), DENORMAL), torch.zeros(2, 8)
    out = loop.forward(programs.forward, x, torch.zeros(8, 8), None, [zero], zero, [], spikes=0, keep=False)
    assert out.outputs[1].count_nonzero() == 0
    assert float(torch.tensor(DENORMAL) * torch.tensor(1.0)) > 0


@pytest.mark.parametrize(
    ("R", "J", "M"), [(0, 3, 2), (1, 1, 1), (5, 64, 32), (7, 65, 33), (200, 130, 20), (40, 700, 257)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("graded", [False, True])
def test_products_over_events_are_matrix_products(R, J, M, dtype, graded):
    x = (sparse(R, J) * (numbers(R, J, seed=1) if graded else 1)).to(dtype)
    weight, bias, grad = numbers(M, J, seed=2).to(dtype), numbers(M, seed=3).to(dtype), numbers(R, M, seed=4).to(dtype)
    out = loop.linear(x, weight, bias)
    d_weight, d_bias = loop.gradient([(x, grad)], bias=True)
    tight = {"rtol": 1e-12, "atol": 1e-12} if dtype == torch.float64 else {"rtol": 2e-5, "atol": 2e-5}
    wide = [t.double().numpy() for t in (x, weight, bias, grad)]
    np.testing.assert_allclose(out.double().numpy(), wide[0] @ wide[1].T + wide[2], **tight)
    np.testing.assert_allclose(d_weight.double().numpy(), wide[3].T @ wide[0], **tight)
    np.testing.assert_allclose(d_bias.double().numpy(), wide[3].sum(0), **tight)


@pytest.mark.parametrize("variant", [None, "baseline"])
def test_sums_over_events_go_in_ascending_order_from_the_bias(variant):
    x, weight, bias = sparse(30, 90, share=0.3), numbers(40, 90), numbers(40, seed=1)
    expected = bias.numpy().copy()[None].repeat(30, 0)
    for r, j in np.argwhere(x.numpy() != 0):
        expected[r] += weight.numpy()[:, j]
    np.testing.assert_array_equal(loop.linear(x, weight, bias, variant=variant).numpy(), expected)


def test_gradients_of_several_parts_are_their_sum_in_order():
    x, grad = sparse(50, 70), numbers(50, 40)
    whole, _ = loop.gradient([(x, grad)], bias=False)
    parts, _ = loop.gradient([(x[:7], grad[:7]), (x[7:7], grad[7:7]), (x[7:], grad[7:])], bias=False)
    assert torch.equal(parts, whole)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"x": torch.zeros(2, 3)}, r"x: expected \(T, B, N\) with at least one step"),
        ({"x": torch.zeros(0, 3, 4)}, "at least one step"),
        ({"x": torch.zeros(2, 3, 4, dtype=torch.int32)}, "expected float32 or float64, got another type"),
        ({"weight": torch.zeros(4, 5)}, r"weight: expected \(4, 4\), got \(4, 5\)"),
        ({"weight": torch.zeros(4, 4).double()}, "weight: expected the type of the others, got another"),
        ({"bias": torch.zeros(3)}, r"bias: expected \(4\), got \(3\)"),
        ({"last": torch.zeros(3, 3)}, r"last: expected \(3, 4\), got \(3, 3\)"),
        ({"states": []}, "states: expected 1 arrays, got 0"),
        ({"outputs": [torch.zeros(2, 3, 5)]}, r"outputs: expected \(2, 3, 4\), got \(2, 3, 5\)"),
        ({"final_states": []}, "final_states: expected 1 arrays, got 0"),
        ({"spikes": 1}, "spikes: expected the number of an output, got 1"),
        ({"inner": [1]}, "coefficients: expected 0, got another count"),
        ({"threads": 0}, "threads: expected at least 1, got 0"),
        ({"variant": "abacus"}, r"variant: expected one of variants\(\), got abacus"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_by_name(change, text):
    arguments = {
        "steps": loop._forward_steps(plan(LIF()).programs.forward), "x": torch.zeros(2, 3, 4), "weight": torch.zeros(4, 4),
        "bias": None, "states": [torch.zeros(3, 4)], "last": torch.zeros(3, 4), "coefficients": [], "inner": [],
        "spikes": 0, "outputs": [torch.zeros(2, 3, 4)], "final_states": [torch.zeros(3, 4)], "currents": None,
        "threads": 1, "variant": None,
    }  # fmt: skip
    loop._loop().forward(**arguments)
    with pytest.raises(ValueError, match=text):
        loop._loop().forward(**(arguments | change))
