"""Every system's network, at the size of its small check: compiled, saved, loaded and streamed it says the same."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from ranvier import systems
from ranvier.nn import Sequential
from ranvier.nn.stream import Stream

INPUTS = {  # (T, B, ...)
    "dcls-delays": (6, 2, 20),
    "elm-neuron": (6, 2, 30),
    "hd-snn": (8, 1, 2, 24, 24),
    "hlop": (3, 2, 2, 17, 17),
    "l2mu": (5, 2, 6),
    "max-former": (2, 2, 2, 17, 17),
    "meta-neuron-lzc": (6, 2, 20),
    "meta-spikeformer": (2, 2, 1, 16, 16),
    "sltt": (3, 2, 2, 17, 17),
    "spikformer": (2, 2, 1, 17, 17),
    "spikformer-v2": (2, 2, 1, 16, 16),
    "stbp": (3, 2, 2, 17, 17),
    "vprsnn": (40, 1, 196),
}


def made(name, seed):
    """Give a small network and inputs that make it fire."""
    claim = systems.load(name).claim
    config = claim.config if claim.fast is None else claim.fast.config
    net = systems.load(name).build(replace(config, seed=seed))
    random = torch.Generator().manual_seed(seed)
    x_TB = 3 * (torch.rand(*INPUTS[name], generator=torch.Generator().manual_seed(4)) < 0.4).float()
    if name == "vprsnn":  # hears spikes of 1; its read-out says nothing before places are assigned: see test_vprsnn
        x_TB = x_TB / 3
        net = Sequential(net.get_submodule("groups"))
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim > 1:
                parameter.add_(0.5 * parameter.std() * torch.randn(parameter.shape, generator=random)).mul_(2)
        for _ in range(30):  # norms learn their statistics
            net(x_TB)
    return net.eval(), x_TB


def test_no_system_is_left_out():
    assert set(INPUTS) == set(systems.names())


@pytest.mark.parametrize("name", INPUTS)
def test_it_is_one_graph_for_the_compiler(name):
    net, x_TB = made(name, 0)
    torch.compiler.reset()
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x_TB), net(x_TB), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", INPUTS)
def test_saved_and_loaded_it_says_the_same(name, tmp_path):
    net, x_TB = made(name, 0)
    save_file({key: value.contiguous() for key, value in net.state_dict().items()}, tmp_path / "net.safetensors")
    other, _ = made(name, 1)
    assert not torch.equal(other(x_TB), net(x_TB))
    other.load_state_dict(load_file(tmp_path / "net.safetensors"))
    assert torch.equal(other(x_TB), net(x_TB))


@pytest.mark.parametrize("name", INPUTS)
def test_a_stream_says_what_the_sequence_says(name):
    net, x_TB = made(name, 0)
    stream = Stream(net, batch=x_TB.shape[1])
    torch.testing.assert_close(torch.stack([stream(x_B) for x_B in x_TB]), net(x_TB), rtol=1e-4, atol=1e-5)
