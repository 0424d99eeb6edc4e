import pytest
import torch
from torch import nn

from ranvier.core.errors import CheckpointError
from ranvier.runs import weights


def test_weights_and_buffers_are_copied_in_place():
    source, net = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    source.running_mean += 2
    source.num_batches_tracked += 5
    before = net.weight
    weights.load(net, source.state_dict())
    assert net.weight is before
    assert torch.equal(net.running_mean, torch.full((3,), 2.0))
    assert net.num_batches_tracked == 5


def test_the_checkpoint_of_another_network_is_refused_by_names_and_shapes_and_nothing_is_changed():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1, bias=False))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    other = nn.Sequential(nn.Linear(4, 3), nn.Identity(), nn.Linear(3, 1))
    with pytest.raises(CheckpointError) as caught:
        weights.load(net, other.state_dict(), where="runs/a/step-1")
    words = str(caught.value)
    assert words.startswith(
        "runs/a/step-1: expected the weights of this network (3 tensors), got 1.weight is missing; "
    )
    assert "2.weight is unknown to the network" in words
    assert "0.weight has shape (3, 4) instead of (3, 2)" in words
    assert "Build the network with the configuration" in words
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_a_long_list_of_faults_is_cut():
    net = nn.Sequential(*(nn.Linear(1, 1) for _ in range(10)))
    with pytest.raises(CheckpointError, match="and 12 more"):
        weights.load(net, {})
