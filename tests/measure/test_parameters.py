import torch
from torch import nn

from ranvier.measure.parameters import connection_sparsity, footprint, parameters


def test_each_layer_counts_its_own_parameters():
    net = nn.Sequential(nn.Conv2d(2, 3, 5), nn.BatchNorm2d(3), nn.Sequential(nn.Linear(4, 6, bias=False)), nn.ReLU())
    assert parameters(net) == {"0": 2 * 3 * 25 + 3, "1": 6, "2.0": 24}


def test_shared_parameters_count_once():
    shared = nn.Linear(3, 3)
    assert parameters(nn.Sequential(shared, shared)) == {"0": 12}
    tied = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    tied[1].weight = tied[0].weight
    assert parameters(tied) == {"0": 9}
    assert footprint(tied) == 36


def test_the_footprint_counts_buffers_and_the_size_of_a_number():
    norm = nn.BatchNorm1d(4)  # weight, bias, mean, variance: 16 floats; one int64 counter
    assert footprint(norm) == 16 * 4 + 8
    assert footprint(norm.half()) == 16 * 2 + 8


def test_connection_sparsity_looks_at_weights_and_not_at_biases():
    net = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2))
    with torch.no_grad():
        net[0].weight.fill_(1.0)
        net[0].weight[0] = 0
        net[0].bias.zero_()
    assert connection_sparsity(net) == 0.5


def test_recurrent_cells_count_their_biases_as_the_benchmark_has_it():
    cell = nn.RNNCell(1, 1)
    with torch.no_grad():
        for p in cell.parameters():
            p.fill_(1.0)
        cell.bias_hh.zero_()
    assert connection_sparsity(cell) == 0.25


def test_a_network_without_weights_is_not_sparse():
    assert connection_sparsity(nn.ReLU()) == 0.0
