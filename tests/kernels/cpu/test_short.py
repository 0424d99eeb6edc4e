"""The shortest way against the operator: T time, B batch."""

import pytest
import torch
from torch import Tensor

from ranvier.core.errors import UnknownNameError
from ranvier.core.reset import ToValue
from ranvier.kernels import plan, run
from ranvier.kernels.cpu import machine, short
from ranvier.neurons.alif import ALIF
from ranvier.neurons.lif import LIF

pytestmark = pytest.mark.skipif(machine.absence() is not None, reason=str(machine.absence()))


def drawn(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
    return (torch.randn(shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64) * 9 + 4).to(dtype)


LAYOUTS = {
    "as it is": lambda x: x,
    "channels last": lambda x: x.movedim(2, -1).contiguous().movedim(-1, 2),
    "with gaps": lambda x: torch.stack([x, -x], -1)[..., 0],
    "expanded": lambda x: x[:, :1].expand(x.shape),
    "time inside": lambda x: x.movedim(0, -1).contiguous().movedim(-1, 0),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("neuron", [LIF(reset=ToValue(), v_rest=0.25), ALIF()], ids=lambda n: type(n).__name__)
def test_results_are_those_of_the_operator(
    neuron: LIF | ALIF, dtype: torch.dtype, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan(neuron, outputs=("spikes", "v"))
    x = LAYOUTS[layout](drawn((4, 3, 5, 2, 6), dtype))
    found = []
    for quick in (True, False):
        with monkeypatch.context() as patch:
            ways: list[object] = []
            true = short.run
            patch.setattr(short, "run", lambda *a, true=true, ways=ways: (ways.append(a), true(*a))[1])
            if not quick:
                patch.setattr("ranvier.kernels.cpu.direct.applies", lambda _: False)
            leaf = x.detach().requires_grad_()
            got = run(planned, leaf)
            assert len(ways) == quick
        results = [*got.outputs.values(), *got.state]
        weights = [torch.linspace(-1, 1, r.numel(), dtype=torch.float64).view(r.shape).to(r.dtype) for r in results]
        found.append([*results, *torch.autograd.grad(results, leaf, weights)])
        assert results[0].stride() == torch.empty_like(x, memory_format=torch.preserve_format).stride() or layout in (
            "with gaps", "expanded", "time inside"
        )  # fmt: skip
    for a, b in zip(*found, strict=True):
        assert a.dtype == b.dtype
        assert torch.equal(a, b)
    assert 0 < found[0][0].float().mean() < 1


def test_one_shape_in_two_layouts_is_two_ways() -> None:
    planned, x = plan(LIF()), drawn((4, 3, 5, 2))
    last = x.movedim(2, -1).contiguous().movedim(-1, 2)
    for _ in range(2):
        a, b = (run(planned, y).outputs["spikes"] for y in (x, last))
        assert torch.equal(a, b)


@pytest.mark.parametrize("shape", [(5,), (2, 0), (0, 3), (1, 1)])
def test_odd_shapes_equal_the_reference(shape: tuple[int, ...]) -> None:
    x = drawn(shape).requires_grad_()
    planned = plan(LIF())
    got, law = (run(planned, x, executor=e) for e in ("auto", "reference"))
    assert torch.equal(got.outputs["spikes"], law.outputs["spikes"])
    assert torch.equal(got.state.v, law.state.v)
    torch.autograd.backward(got.outputs["spikes"].sum())
    assert x.grad is not None
    assert x.grad.shape == shape


def test_a_gradient_in_another_layout_is_read_right() -> None:
    x = drawn((3, 4, 5)).requires_grad_()
    weights = drawn((5, 4, 3))
    grads = [
        torch.autograd.grad(run(plan(LIF()), x).outputs["spikes"], x, w)[0]
        for w in (weights.permute(2, 1, 0), weights.permute(2, 1, 0).contiguous())
    ]
    assert torch.equal(grads[0], grads[1])
    assert grads[0].abs().sum() > 0


def test_unknown_parameters_are_refused_here_too() -> None:
    with pytest.raises(UnknownNameError, match="tau"):
        run(plan(LIF()), drawn((2, 3)), params={"tau": torch.ones(1)})


def test_results_belong_to_the_caller_alone() -> None:
    planned, x = plan(LIF()), drawn((3, 4))
    first = run(planned, x)
    for value in (*first.outputs.values(), *first.state):
        value.fill_(9.0)
    again = run(planned, x)
    assert again.outputs["spikes"].max() <= 1
    assert again.state.v.max() < 9
