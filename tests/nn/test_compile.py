"""Compiled and exported networks: no graph break, the same numbers."""

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import ranvier.nn as rn
from ranvier.kernels.recurrent import loop
from ranvier.neurons import LIF


@pytest.fixture
def deep(small):
    """The small network, with a norm, a delay and a learned time constant."""
    net, x = small
    more = rn.Sequential(
        *net, rn.TEBN(5, 9), rn.Delay(1), rn.Dropout(0.5), rn.Spiking(LIF(tau_m=2.0, v_th=0.1), learn=("tau_m",)),
        nn.Linear(5, 2), rn.TdBN(2),
    )  # fmt: skip
    return more.eval(), x


@pytest.fixture(autouse=True)
def forget():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_compiled_network_is_one_graph_with_the_same_output_and_gradients(deep, backend):
    net, x = deep
    y = net(x)
    y.square().sum().backward()
    expected = {name: p.grad.clone() for name, p in net.named_parameters()}
    net.zero_grad()
    compiled = torch.compile(net, fullgraph=True, backend=backend)
    again = compiled(x)
    torch.testing.assert_close(again, y)
    again.square().sum().backward()
    for name, p in net.named_parameters():
        torch.testing.assert_close(p.grad, expected[name], msg=name)
    assert sum(g.abs().sum() > 0 for g in expected.values()) > 5
    assert torch.equal(compiled(x), again)


def test_a_compiled_network_trains_like_the_other(deep):
    net, x = deep
    net.train()
    net[9].p = 0.0  # the mask would differ
    with torch.random.fork_rng():
        y = net(x)
        compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(x), y)


def test_an_exported_network_gives_the_same(deep):
    net, x = deep
    exported = torch.export.export(net, (x,))
    torch.testing.assert_close(exported.module()(x), net(x))
    assert "ranvier" in str(exported.graph)


def test_an_export_takes_other_lengths_and_batches(small):
    net, x = small
    if loop.absence() is not None:
        net = net[
            :6
        ]  # a plain loop over time, as then in Recurrent, is written out for the length it was exported with
    # torch cannot prove from Dim("B") that folding fits any batch; Dim.DYNAMIC leaves it to a guard.
    dynamic = ({0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC},)
    exported = torch.export.export(net, (x,), dynamic_shapes=dynamic).module()
    for part in (x, x[:5], x[:, :2], x[2:6, :2]):
        torch.testing.assert_close(exported(part.contiguous()), net(part))


def test_a_wrapped_network_runs_and_streams(small, tmp_path):
    net, x = small
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    try:
        wrapped = DistributedDataParallel(net)
        assert torch.equal(wrapped(x), net(x))
        first, state = rn.run(wrapped, x[:4])
        second, _ = rn.run(wrapped, x[4:], state)
        assert torch.equal(torch.cat([first, second]), net(x))
        assert set(state) == {"module.1", "module.3.branch.1", "module.6"}
    finally:
        torch.distributed.destroy_process_group()
