import pytest
import torch
from torch import nn

from ranvier.core.errors import ShapeError
from ranvier.measure.neurobench import neurobench
from ranvier.neurons.lif import LIF
from ranvier.nn.sequential import Sequential

pytestmark = pytest.mark.filterwarnings("ignore:The slow executor:RuntimeWarning")  # where the kernel is not built


def test_a_network_by_hand():
    net = Sequential(nn.Linear(2, 2, bias=False), LIF(tau_m=1e6, decay_input=False), nn.Linear(2, 3, bias=False))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.5, 0.0], [0.0, 0.1]]))
    found = neurobench(net, torch.ones(4, 1, 2))
    # Neuron 0 hears 1.5 a step and fires always; neuron 1 hears 0.1 a step and never fires in four.
    assert found["activation_sparsity"] == 0.5
    assert found["effective_acs"] == 4 * 2 + 4 * 3
    assert found["effective_macs"] == 0
    assert found["dense"] == 4 * (4 + 6)
    assert found["footprint"] == 10 * 4
    assert found["parameter_count"] == 10
    assert found["connection_sparsity"] == 0.2
    assert found["steps"] == 4


def test_an_empty_batch_is_an_error():
    with pytest.raises(ShapeError, match="neurobench: expected"):
        neurobench(nn.Linear(2, 2), torch.ones(0, 1, 2))
