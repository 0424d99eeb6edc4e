import numpy as np
import pytest
import torch
from torch import nn

from ranvier.core.errors import DataError
from ranvier.train import evaluate
from ranvier.train.losses import MembraneCrossEntropy, RateCrossEntropy


class Fixed:
    """A loader of given batches."""

    def __init__(self, *batches):
        self.given = batches
        self.num_batches = len(batches)

    def batches(self, epoch, start=0):
        assert epoch == 0
        return iter(self.given[start:])


def test_loss_accuracy_and_confusion_are_those_counted_by_hand():
    o1 = torch.zeros(2, 3, 3)
    o1[:, 0, 0] = o1[:, 1, 1] = o1[:, 2, 1] = 1.0  # decides 0, 1, 1
    o2 = torch.zeros(2, 1, 3)
    o2[:, 0, 2] = 1.0  # decides 2
    net = nn.Identity()
    found = evaluate(net, Fixed((o1, torch.tensor([0, 1, 2])), (o2, torch.tensor([0]))), RateCrossEntropy())
    e = np.exp(1.0)
    right, wrong = -np.log(e / (e + 2)), -np.log(1 / (e + 2))
    np.testing.assert_allclose(found.loss, (2 * right + 2 * wrong) / 4, rtol=1e-6)
    assert found.accuracy == 0.5
    assert found.num_samples == 4
    assert found.confusion_KK.tolist() == [[1, 0, 1], [0, 1, 0], [0, 1, 0]]
    assert found.activity == {}


def test_the_loss_says_how_to_decide():
    o = torch.zeros(2, 1, 2)
    o[0, 0, 0], o[1, 0, 1] = 5.0, 1.0
    loader = Fixed((o, torch.tensor([1])))
    assert evaluate(nn.Identity(), loader, RateCrossEntropy()).accuracy == 0.0
    assert evaluate(nn.Identity(), loader, MembraneCrossEntropy(at="last")).accuracy == 1.0
    assert evaluate(nn.Identity(), loader, lambda o, t: o.sum()).accuracy == 0.0  # a plain function: by rate


def test_targets_that_are_no_classes_have_a_loss_only():
    loader = Fixed((torch.ones(4, 2, 3), torch.zeros(2, 3)))
    found = evaluate(nn.Identity(), loader, lambda o, t: ((o.mean(0) - t) ** 2).mean())
    assert found.loss == 1.0
    assert found.accuracy is None
    assert found.confusion_KK is None


def test_the_network_is_in_evaluation_mode_meanwhile_and_then_in_its_own(make):
    net = make.net(dropout=0.9)
    loader = make.blobs(num_batches=1)
    net.train()
    first, second = (evaluate(net, loader, RateCrossEntropy()).loss for _ in range(2))
    assert first == second
    assert net.training
    net.eval()
    evaluate(net, loader, RateCrossEntropy())
    assert not net.training


def test_the_activity_is_that_of_all_batches_together(make):
    net = make.net(norm=False)
    loader = make.blobs(num_batches=3)
    found = evaluate(net, loader, RateCrossEntropy())
    (name,) = found.activity
    net.eval()
    spikes = []
    for inputs, _ in loader.batches(0):
        v = torch.zeros(8, 16)
        for current in net[0](inputs):
            v = np.exp(-1 / 2.0) * v + current
            s = (v >= 0.5).float()
            v = v - 0.5 * s
            spikes.append(s)
    spikes = torch.stack(spikes).reshape(-1, 16)
    activity = found.activity[name]
    assert activity.num_neurons == 16
    assert 0 < activity.rate < 1
    np.testing.assert_allclose(activity.rate, spikes.mean(), rtol=1e-6)
    np.testing.assert_allclose(activity.spikes, spikes.sum() / 24, rtol=1e-6)
    np.testing.assert_allclose(activity.dead, (spikes.sum(0) == 0).float().mean())


def test_a_compiled_network_is_judged_without_activity(make):
    net = torch.compile(nn.Linear(12, 3), backend="eager")
    found = evaluate(net, make.blobs(num_batches=1), RateCrossEntropy())
    assert found.activity == {}
    assert found.num_samples == 8


def test_it_can_be_left_between_batches(make):
    asked = iter([False, True])
    assert evaluate(make.net(), make.blobs(), RateCrossEntropy(), leave=lambda: next(asked)) is None


def test_no_batches_is_an_error():
    with pytest.raises(DataError, match=r"^evaluate: expected a loader with at least one sample, got no batches"):
        evaluate(nn.Identity(), Fixed(), RateCrossEntropy())


def test_in_16_bits_the_answers_are_nearly_the_same(make):
    net, loader = make.net(), make.blobs()
    exact = evaluate(net, loader, RateCrossEntropy())
    rough = evaluate(net, loader, RateCrossEntropy(), precision="bfloat16")
    assert exact.loss != rough.loss
    assert abs(exact.loss - rough.loss) < 0.05 * exact.loss
