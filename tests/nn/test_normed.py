"""Batch norm and neuron in one kernel, against torch's norm and the neuron apart. T time, B batch, C channels."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ranvier.core.neuron import Neuron
from ranvier.core.reset import ToValue
from ranvier.kernels import plan
from ranvier.kernels.cpu import machine, normed_operators
from ranvier.kernels.cpu.normed import Norm
from ranvier.neurons import ALIF, LIF, PLIF
from ranvier.nn import Sequential, Spiking, observe, run, sequential

pytestmark = pytest.mark.skipif(machine.absence() is not None, reason=str(machine.absence()))

NORMS = {3: nn.BatchNorm1d, 4: nn.BatchNorm1d, 5: nn.BatchNorm2d, 6: nn.BatchNorm3d}
SHAPES = [
    (3, 4, 8, 6, 6), (5, 3, 7, 5, 3), (2, 1, 1, 9, 7), (1, 5, 3, 1, 1), (4, 6, 70), (3, 2, 5, 11), (2, 3, 4, 3, 2, 3),
    (3, 8, 33, 12, 12), (2, 2, 1500), (2, 40, 64, 8, 8),
]  # fmt: skip


@contextmanager
def counted(*, apart: bool = False) -> Iterator[list[bool]]:
    """Write down which pairs ran as one; keep all apart if asked."""
    seen: list[bool] = []
    true = sequential.joins
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sequential, "joins", lambda *a: (seen.append(not apart and true(*a)), seen[-1])[1])
        yield seen


def channels_last(x: Tensor) -> Tensor:
    """Lay out (T, B, C, ...) with its channels side by side."""
    return x.movedim(2, -1).contiguous().movedim(-1, 2)


def network(shape: tuple[int, ...], dtype: torch.dtype, **options: object) -> Sequential:
    generator = torch.Generator().manual_seed(5)
    net = Sequential(
        NORMS[len(shape)](shape[2], **options), LIF(tau_m=2.0, discretisation="euler", reset=ToValue(), v_th=0.4)
    )
    net.double() if dtype == torch.float64 else net.float()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.rand(p.shape, generator=generator) + 0.5)
    return net


def drawn(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    # A mean of many deviations, so that sums about anything but the mean would lose digits.
    return (torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 3 + 40).to(dtype)


def results(net: Sequential, x: Tensor, *, apart: bool) -> list[Tensor]:
    """Train one step; returns spikes, gradients and running statistics."""
    leaf = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    with counted(apart=apart) as seen:
        spikes = net(leaf)
    assert seen == [not apart]
    weights = torch.randn(spikes.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64).to(x.dtype)
    torch.autograd.backward((spikes * weights).sum())
    assert leaf.grad is not None
    grads = [p.grad for p in net.parameters() if p.grad is not None]
    return [spikes.detach(), leaf.grad, *grads, *(b.clone() for b in net.buffers())]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_one_kernel_gives_spikes_gradients_and_statistics_of_the_pair(
    shape: tuple[int, ...], last: bool, dtype: torch.dtype
) -> None:
    x = channels_last(drawn(shape, dtype)) if last else drawn(shape, dtype)
    one, two = (results(network(shape, dtype), x, apart=apart) for apart in (False, True))
    assert 0 < two[0].mean() < 1
    assert torch.equal(one[0], two[0])
    for a, b in zip(one[-3:], two[-3:], strict=True):
        assert torch.equal(a, b)  # running mean, running variance, batches seen
    # float32 itself is 1e-5 of a deviation off where the mean is 13 deviations; the law is float64.
    law = two if dtype == torch.float64 else results(network(shape, torch.float64), x.double(), apart=True)
    for a, b, exact in zip(one[1:4], two[1:4], law[1:4], strict=True):
        scale = float(exact.abs().max())
        off, torchs = (float((y.double() - exact.double()).abs().max()) / scale for y in (a, b))
        assert off < (1e-12 if dtype == torch.float64 else max(1e-5, 2 * torchs))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("last", [False, True])
def test_in_16_bits_gradients_are_those_of_32_to_rounding(last: bool, dtype: torch.dtype) -> None:
    shape = (4, 6, 9, 7, 7)
    x = (drawn(shape, torch.float32) - 40).to(dtype)
    x = channels_last(x) if last else x
    one = results(network(shape, dtype), x, apart=False)
    law = results(network(shape, torch.float32), x.float(), apart=True)
    assert one[0].dtype == one[1].dtype == dtype
    assert torch.equal(one[0].float(), law[0])
    for a, b in zip(one[1:4], law[1:4], strict=True):
        assert float((a.float() - b).norm() / b.norm()) < 4 * torch.finfo(dtype).eps


@pytest.mark.parametrize("options", [{"affine": False}, {"momentum": None}, {"track_running_stats": False}])
def test_options_of_the_norm_are_kept(options: dict[str, object]) -> None:
    shape = (3, 4, 5, 6, 6)
    nets = [network(shape, torch.float64, **options) for _ in range(2)]
    for step in range(3):
        x = drawn(shape, torch.float64) * (1 + step)
        one, two = (results(net, x, apart=apart) for net, apart in zip(nets, (False, True), strict=True))
        for a, b in zip(one, two, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("last", [False, True])
def test_any_number_of_threads_gives_the_same_bits(last: bool) -> None:
    shape = (3, 40, 24, 13, 13)
    x = channels_last(drawn(shape, torch.float32)) if last else drawn(shape, torch.float32)
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2, 4):
            net = Sequential(network(shape, torch.float32)[1])  # torch's own statistics may differ
            layer = net[0]
            assert isinstance(layer, Spiking)
            torch.set_num_threads(count)
            found.append(_alone(layer, x))
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert torch.equal(a, b)


def _alone(layer: Spiking, x: Tensor) -> list[Tensor]:
    """Run a layer behind a norm whose statistics are given."""
    C = x.shape[2]
    leaves = [x.clone().requires_grad_(), torch.linspace(1, 2, C).requires_grad_(), torch.zeros(C).requires_grad_()]
    norm = Norm(leaves[1], leaves[2], torch.full((C,), 40.0), torch.full((C,), 1 / 3))
    spikes, state = layer.run(leaves[0], norm=norm)
    grads = torch.autograd.grad((spikes * torch.linspace(-1, 1, x.shape[-1])).sum(), leaves)
    return [spikes.detach(), state.v.detach(), *grads]


def test_a_frozen_input_and_frozen_parameters_are_left_alone() -> None:
    shape = (3, 4, 5, 6, 6)
    net = network(shape, torch.float32)
    net[0].weight.requires_grad_(False)
    x = drawn(shape, torch.float32)
    with counted() as seen:
        spikes = net(x)
    torch.autograd.backward(spikes.sum())
    assert seen == [True]
    assert net[0].weight.grad is None
    assert net[0].bias.grad is not None
    with torch.no_grad(), counted() as seen:
        assert torch.equal(net(x), spikes)
    assert seen == [True]


def test_states_are_carried_through_the_pair() -> None:
    net = network((6, 4, 5, 6, 6), torch.float64)
    x = drawn((6, 4, 5, 6, 6), torch.float64)
    with counted() as seen:
        _, state = run(net, x)
        again, _ = run(net, x, state)
    assert seen == [True, True]
    with counted(apart=True):
        fresh = network((6, 4, 5, 6, 6), torch.float64)
        _, state = run(fresh, x)
        assert torch.equal(run(fresh, x, state)[0], again)


def test_the_two_stay_apart_where_somebody_looks_between_them() -> None:
    shape = (3, 4, 5, 6, 6)
    x = drawn(shape, torch.float32)
    with counted() as seen:
        net = network(shape, torch.float32).eval()
        net(x)
        net.train()
        handle = net[0].register_forward_hook(lambda *_: None)
        net(x)
        handle.remove()
        with observe(net):
            net(x)
        net(x.double().float())
    assert seen == [False, False, False, True]
    with counted() as seen, pytest.raises(ValueError, match="more than 1 value per channel"):
        network((1, 1, 3), torch.float32)(torch.ones(1, 1, 3))
    assert seen == [False]


def compiled(net: Sequential, *, fullgraph: bool = True) -> Any:
    torch.compiler.reset()
    return torch.compile(net, fullgraph=fullgraph, backend="aot_eager")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    "neuron",
    [LIF(tau_m=2.0, reset=ToValue(), v_th=0.4), PLIF(v_th=0.4), ALIF(tau_m=2.0, v_th=0.4)],
    ids=["lif", "plif", "alif"],
)
def test_a_compiled_pair_gives_the_bits_of_an_eager_one(neuron: Neuron, last: bool, dtype: torch.dtype) -> None:
    shape = (3, 4, 8, 6, 5)
    x = (drawn(shape, torch.float32) - 40).to(dtype)
    x = channels_last(x) if last else x
    nets = [Sequential(nn.BatchNorm2d(8), Spiking(neuron, learn=_learned(neuron))) for _ in range(2)]
    ways: list[Any] = [nets[0], compiled(nets[1])]
    for _ in range(2):
        found = []
        for net, way in zip(nets, ways, strict=True):
            leaf = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
            with counted() as seen:
                spikes = way(leaf)
            assert way is not net or seen == [True]
            weights = torch.randn(spikes.shape, generator=torch.Generator().manual_seed(2)).to(dtype)
            torch.autograd.backward((spikes * weights).sum())
            assert leaf.grad is not None
            grads = [p.grad for p in net.parameters() if p.grad is not None]
            assert len(grads) == len(list(net.parameters()))
            found.append([spikes.detach(), leaf.grad, *grads, *(b.clone() for b in net.buffers())])
        assert 0 < found[0][0].float().mean() < 1
        for a, b in zip(*found, strict=True):
            assert torch.equal(a, b)


def _learned(neuron: Neuron) -> tuple[str, ...]:
    return ("w",) if isinstance(neuron, PLIF) else ()


def test_a_compiled_network_keeps_apart_what_an_eager_one_does() -> None:
    shape = (3, 4, 5, 6, 6)
    x = drawn(shape, torch.float32)
    for options in ({"momentum": None}, {"affine": False}, {"track_running_stats": False}):
        nets = [network(shape, torch.float32, **options) for _ in range(2)]
        whole = "momentum" not in options  # which torch itself breaks the graph for
        with torch.no_grad():
            assert torch.equal(nets[0](x), compiled(nets[1], fullgraph=whole)(x)), options
        for a, b in zip(nets[0].buffers(), nets[1].buffers(), strict=True):
            torch.testing.assert_close(a, b)
    net, seen = network(shape, torch.float32), []
    net[0].register_forward_hook(lambda *_: seen.append(1))
    torch.compiler.reset()
    torch.compile(net, backend="eager")(x)
    assert seen == [1]
    assert torch.equal(compiled(network(shape, torch.float32).eval())(x), network(shape, torch.float32).eval()(x))


def test_the_operators_of_a_compiled_pair_keep_torchs_rules() -> None:
    generator = torch.Generator().manual_seed(0)
    x, states = torch.randn(4, 24, generator=generator).requires_grad_(), [torch.zeros(24)]
    norm = [torch.rand(6, generator=generator).requires_grad_() for _ in range(2)]
    norm += [torch.rand(6, generator=generator) for _ in range(2)]
    planned = plan(LIF(reset=ToValue(), v_th=0.4))
    texts = planned.forward_text, planned.backward_text
    torch.library.opcheck(normed_operators.normed_forward, (x, states, [], [], *norm, 4, *texts))
    statistics = (x.detach().view(4, 6, 4), torch.zeros(6), torch.ones(6), 0.1)
    torch.library.opcheck(normed_operators.batch_statistics, statistics)


def test_an_error_of_the_neuron_names_the_neuron() -> None:
    net = Sequential(nn.BatchNorm1d(4), LIF(tau_m=torch.tensor([2.0, 3.0])))
    with pytest.raises(ValueError, match='LIF.* "1"'):
        net(torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(0)))
