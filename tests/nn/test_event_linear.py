import copy

import pytest
import torch
from torch import nn

import ranvier.nn as rn
from ranvier.kernels import bits
from ranvier.kernels.recurrent import loop
from ranvier.kernels.recurrent.linear import CROSSOVER
from ranvier.neurons import LIF

needs_loop = pytest.mark.skipif(loop.absence() is not None, reason=str(loop.absence()))


def spikes(*shape, share=0.1, seed=0):
    return (torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) < share).float()


@pytest.fixture
def pair():
    """A layer of each kind with the same weights, multiples of 1/8: sums are exact in any order."""
    with torch.random.fork_rng():
        plain = nn.Linear(70, 33)
    with torch.no_grad():
        for p in plain.parameters():
            p.copy_((p * 64).round() / 8)
    ours = rn.EventLinear(70, 33)
    ours.load_state_dict(plain.state_dict())
    return ours, plain


@pytest.mark.parametrize("shape", [(70,), (5, 70), (4, 3, 70), (0, 70), (2, 3, 5, 70)])
def test_output_is_that_of_a_linear_layer(pair, shape):
    ours, plain = pair
    x = spikes(*shape)
    assert torch.equal(ours(x), plain(x))


@pytest.mark.parametrize("share", [0.0, 0.05, 0.9])
def test_gradients_are_those_of_a_linear_layer(pair, share):
    seen = []
    for layer in pair:
        x = spikes(40, 3, 70, share=share).requires_grad_()
        out = layer(x)
        (out * torch.randn(out.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
        seen.append((x.grad, *(p.grad for p in layer.parameters())))
    for a, b in zip(*seen, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-4)


def test_gradients_are_finite_differences():
    layer = rn.EventLinear(9, 4).double()
    x = (spikes(5, 9, share=0.2).double() * 0.7).requires_grad_()
    names = ("weight", "bias")
    values = [layer.weight.detach().requires_grad_(), layer.bias.detach().requires_grad_()]
    assert layer.explain(x).executor == ("events" if loop.absence() is None else "dense")
    active = (x != 0).double()  # a silent input stays silent: the step of finite differences must not wake it
    assert torch.autograd.gradcheck(
        lambda x, *v: torch.func.functional_call(layer, dict(zip(names, v, strict=True)), (x * active,)), (x, *values)
    )


@needs_loop
def test_it_says_how_and_why(pair):
    ours, _ = pair
    assert "events: " in str(ours.explain(spikes(50, 70)))
    assert f"active, fewer than {CROSSOVER:.0%}" in ours.explain(spikes(50, 70)).reason
    assert "100.0% of the inputs are active, not fewer than" in ours.explain(torch.ones(50, 70)).reason
    assert "the input is torch.bfloat16" in ours.explain(torch.ones(5, 70).bfloat16()).reason
    assert "the input is on meta" in ours.explain(torch.ones(5, 70, device="meta")).reason
    assert ours.explain(torch.ones(0, 70)).reason == "the input is empty"


def test_without_the_extension_the_dense_product_runs(pair, monkeypatch):
    ours, plain = pair
    monkeypatch.setattr(loop, "absence", lambda: "it is not there")
    assert ours.explain(spikes(5, 70)) == ours.explain(spikes(5, 70))
    assert ours.explain(spikes(5, 70)).reason == "it is not there"
    assert torch.equal(ours(spikes(5, 70)), plain(spikes(5, 70)))


def test_a_network_with_it_compiles_to_one_graph_and_copies():
    net = rn.Sequential(rn.EventLinear(20, 8), LIF(tau_m=2.0, v_th=0.1), rn.EventLinear(8, 3, bias=False))
    x = spikes(6, 2, 20)
    torch._dynamo.reset()
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), net(x))
    compiled(x).sum().backward()
    assert net[0].weight.grad.abs().sum() > 0
    assert torch.equal(copy.deepcopy(net)(x), net(x))
    torch._dynamo.reset()


@needs_loop
@pytest.mark.parametrize("form", ["bits", "uint8"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "shape", [(70,), (1, 70), (5, 70), (4, 3, 70), (300, 70), (9, 1), (3, 64), (7, 5, 129), (0, 70)]
)
def test_packed_spikes_give_the_bits_of_dense_ones(form, dtype, shape, monkeypatch):
    g = torch.Generator().manual_seed(3)
    x = spikes(*shape, share=0.2, seed=4).to(dtype)
    if form == "uint8":
        x *= torch.randint(1, 4, shape, generator=g)
    layer = rn.EventLinear(shape[-1], 33).to(dtype)
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.randn(p.shape, generator=g))
    seen = []
    for given in (x.clone(), rn.PackedSpikes.of(x, form)):
        given = given.requires_grad_()
        if isinstance(given, rn.PackedSpikes) and form == "bits" and given.numel():
            monkeypatch.setattr(bits, "unpack", lambda *_: pytest.fail("spikes were unpacked"))
        out = layer(given)
        (out * torch.randn(out.shape, generator=torch.Generator().manual_seed(1), dtype=dtype)).sum().backward()
        seen.append((out.detach(), given.grad, *(p.grad.clone() for p in layer.parameters())))
        layer.zero_grad()
    for a, b in zip(*seen, strict=True):
        assert torch.equal(a, b)


@needs_loop
def test_packed_spikes_are_weighed_by_their_density():
    layer = rn.EventLinear(70, 3)
    for share in (0.05, 0.9):
        x = spikes(2000, 70, share=share)
        found = layer.explain(rn.PackedSpikes.of(x))
        assert found.executor == ("events" if share < CROSSOVER else "dense")
        assert abs(float(found.reason.split("%")[0]) / 100 - x.mean()) < 0.02


@needs_loop
def test_the_extension_refuses_codes_that_do_not_fit():
    codes, weight, out = torch.zeros(3, dtype=torch.uint8), torch.zeros(2, 10), torch.zeros(2, 2)
    loop._loop().linear(codes, weight, None, out, 1, None, True)
    with pytest.raises(ValueError, match=r"x: expected 3 bytes, got 4"):
        loop._loop().linear(torch.zeros(4, dtype=torch.uint8), weight, None, out, 1, None, True)
    with pytest.raises(ValueError, match=r"x: expected 20 bytes, got 3"):
        loop._loop().linear(codes, weight, None, out, 1)
