import re

import pytest
import torch
from torch import nn

import ranvier.nn as rn
from ranvier.core.errors import ConfigError, DtypeError, ShapeError, StateError
from ranvier.neurons import LIF
from ranvier.nn.folding import call, fold, sees_time


class Fails(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, x):
        raise self.error


class Gives(nn.Module):
    def __init__(self, change):
        super().__init__()
        self.change = change

    def forward(self, x):
        return self.change(x)


def test_time_is_seen_by_what_is_marked_and_by_what_holds_it():
    assert not sees_time(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    assert sees_time(rn.Spiking(LIF()))
    assert sees_time(nn.ModuleList([nn.ModuleList([rn.Delay(1)])]))


def test_folding_keeps_time_and_batch():
    x = torch.randn(4, 3, 2, 5, 5)
    assert torch.equal(fold(nn.Flatten(), x), x.flatten(2))
    assert torch.equal(rn.Folded(nn.Flatten())(x), x.flatten(2))
    assert fold(nn.AvgPool2d(5), x).shape == (4, 3, 2, 1, 1)


def test_an_empty_batch_folds():
    assert fold(nn.Linear(2, 7), torch.zeros(3, 0, 2)).shape == (3, 0, 7)


def test_what_does_not_return_a_batch_is_refused():
    x = torch.zeros(4, 3, 2)
    with pytest.raises(
        ConfigError, match=re.escape('LSTM "0": expected a layer that returns one tensor, got a tuple.')
    ):
        rn.Sequential(nn.LSTM(2, 2))(x)
    for change in (torch.sum, lambda x: x[1:]):
        with pytest.raises(ShapeError, match=re.escape("expected an output with the input's first axis, T * B = 12")):
            fold(Gives(change), x)


def test_a_layer_with_time_is_not_folded():
    with pytest.raises(ConfigError, match="Folded: expected a layer without time, got Spiking. Use it as it is."):
        rn.Folded(rn.Spiking(LIF()))


@pytest.mark.parametrize(
    ("layer", "shape", "text"),
    [
        (nn.Conv2d(2, 3, 3), (4, 1, 3, 8, 8), 'Conv2d "x": expected input (T, B, 2, H, W), got (4, 1, 3, 8, 8). Channels'
         " differ. Build it with in_channels=3."),
        (nn.Conv2d(4, 4, 3), (4, 1, 8, 8), 'Conv2d "x": expected input (T, B, 4, H, W), got (4, 1, 8, 8). The number of'),
        (nn.Conv1d(2, 3, 3), (4, 1, 3, 8), 'Conv1d "x": expected input (T, B, 2, L), got'),
        (nn.ConvTranspose3d(2, 3, 3), (4, 1, 3, 8, 8, 8), "expected input (T, B, 2, D, H, W), got"),
        (nn.Linear(8, 3), (4, 1, 2, 2, 2), "expected input (T, B, ..., 8), got (4, 1, 2, 2, 2). Put nn.Flatten() before"),
        (nn.Linear(8, 3), (4, 1), 'Linear "x": expected input (T, B, ..., 8), got (4, 1).'),
        (nn.BatchNorm2d(3), (4, 1, 2, 5, 5), "expected input (T, B, 3, ...), got (4, 1, 2, 5, 5). Channels differ. Build"),
        (nn.BatchNorm1d(3), (4, 1), 'BatchNorm1d "x": expected input (T, B, 3, ...), got (4, 1).'),
        (nn.BatchNorm2d(3), (4, 1, 3), 'BatchNorm2d "x": expected an input that fits this layer, got (4, 1, 3) ('),
        (nn.LayerNorm(3), (4, 1, 5), 'LayerNorm "x": expected an input that fits this layer, got (4, 1, 5) ('),
        (nn.Conv2d(1, 1, 9), (4, 1, 1, 3, 3), "Kernel size can't be greater than actual input size)"),
        (nn.BatchNorm1d(3), (1, 1, 3), "more than 1 value per channel"),
    ],
)  # fmt: skip
def test_a_shape_that_does_not_fit_names_the_layer(layer, shape, text):
    with pytest.raises(ShapeError, match=re.escape(text)):
        call("x", layer, torch.zeros(shape))


def test_a_lazy_layer_takes_its_size_from_the_first_input():
    net = rn.Sequential(nn.LazyLinear(3))
    assert net(torch.zeros(2, 2, 5)).shape == (2, 2, 3)
    with pytest.raises(ShapeError, match=re.escape("(T, B, ..., 5)")):
        net(torch.zeros(2, 2, 6))


def test_another_type_than_the_weights_is_refused():
    text = 'Linear "x": expected an input of torch.float32, as its weights, got torch.float64. Convert the input by'
    with pytest.raises(DtypeError, match=re.escape(text)):
        call("x", nn.Linear(2, 2), torch.zeros(1, 1, 2, dtype=torch.float64))


def test_nested_containers_give_the_whole_path():
    block = rn.Residual(rn.Sequential({"conv": nn.Conv2d(2, 2, 3, padding=1), "lif": LIF(tau_m=torch.ones(7))}))
    net = rn.Sequential({"enc": rn.Sequential(block)})
    with pytest.raises(ShapeError, match=re.escape('Conv2d "enc.0.branch.conv": expected input (T, B, 2, H, W)')):
        net(torch.zeros(2, 1, 3, 4, 4))
    with pytest.raises(ShapeError, match=re.escape('Spiking(LIF) "enc.0.branch.lif": expected tau_m of a shape')):
        net(torch.zeros(2, 1, 2, 4, 4))


def test_an_error_that_is_none_of_ours_keeps_its_kind_and_says_where():
    with pytest.raises(RuntimeError, match="out of luck") as caught:
        call("x", Fails(RuntimeError("out of luck")), torch.zeros(2, 1))
    assert caught.value.__notes__ == ['This happened in Fails "x", called with (2, 1).']
    with pytest.raises(ValueError, match="This happened in Fails"):
        call("x", Fails(ValueError()), torch.zeros(2, 1))


def test_a_state_error_passes_as_it_is():
    error = StateError("a", expected="b", got="c")
    with pytest.raises(StateError) as caught:
        call("x", Fails(error), torch.zeros(2, 1))
    assert caught.value is error
