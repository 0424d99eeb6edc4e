import copy

import pytest
import torch

from ranvier.core.errors import CheckpointError, ConfigError
from ranvier.train import SGD, AdamW, Constant, Saving, Train
from ranvier.train import average as averages
from ranvier.train.progress import Progress, from_tree, to_tree
from ranvier.train.step import Figures


@pytest.fixture
def trained(make):
    """A network after one step, with its optimiser, average, config, and the tree of all."""
    net, config = make.net(), Train(ema=0.9)
    optimiser = AdamW().build(net.parameters())
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    average = averages.start(net)
    averages.update(average, net, decay=0.9, step=1)
    progress = Progress(
        step=4, judged=1, loss=0.3, right=None, seen=7, history=({"epoch": 1, "x": None},), stopped="why"
    )
    return net, optimiser, average, config, to_tree(progress, net, optimiser, average, config)


def fresh(make, seed=1):
    net = make.net(seed)
    return net, AdamW().build(net.parameters()), averages.start(net)


def test_everything_comes_back(make, trained):
    net, optimiser, average, config, tree = trained
    other, other_optimiser, other_average = fresh(make)
    progress = from_tree(copy.deepcopy(tree), other, other_optimiser, other_average, config, where="c")
    assert progress == Progress(
        step=4, judged=1, loss=0.3, right=None, seen=7, history=({"epoch": 1, "x": None},), stopped="why"
    )
    for name, tensor in net.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor)
        assert torch.equal(other_average[name], average[name])
    for p, q in zip(net.parameters(), other.parameters(), strict=True):
        assert optimiser.state[p].keys() == other_optimiser.state[q].keys()
        for name, value in optimiser.state[p].items():
            assert torch.equal(other_optimiser.state[q][name], value)


def test_without_an_average_there_is_none(make, trained):
    net, optimiser, _, _, _ = trained
    tree = to_tree(Progress(), net, optimiser, None, Train())
    assert tree["average"] is None
    assert from_tree(tree, net, optimiser, None, Train(), where="c") == Progress()


def test_a_state_without_gradients_yet_is_a_state_too(make, trained):
    *_, tree = trained
    other, other_optimiser, other_average = fresh(make)
    tree["optimiser"].pop("4.weight")
    from_tree(tree, other, other_optimiser, other_average, Train(ema=0.9), where="c")
    assert other[4].weight not in other_optimiser.state


def test_another_configuration_is_refused_by_the_fields_that_differ(make, trained):
    net, optimiser, average, _, tree = trained
    other = Train(ema=0.9, optimiser=AdamW(lr=0.5), schedule=Constant())
    with pytest.raises(
        ConfigError, match=r"^c: expected the training configuration .* got optimiser\.lr = 0\.001 instead of 0\.5; "
    ):
        from_tree(tree, net, optimiser, average, other, where="c")
    with pytest.raises(ConfigError, match=r"optimiser\.betas = \[0\.9, 0\.999\] instead of nothing"):
        from_tree(tree, net, optimiser, average, Train(ema=0.9, optimiser=SGD()), where="c")


def test_how_often_to_save_may_change(make, trained):
    net, optimiser, average, _, tree = trained
    assert from_tree(tree, net, optimiser, average, Train(ema=0.9, saving=Saving(steps=7)), where="c").step == 4


def test_another_network_is_refused_by_names_and_shapes(make, trained):
    *_, config, tree = trained
    net = make.net(norm=False)
    with pytest.raises(CheckpointError, match=r"^c: expected the weights of this network .* unknown to the network"):
        from_tree(tree, net, AdamW().build(net.parameters()), averages.start(net), config, where="c")


@pytest.mark.parametrize("name", ["net", "progress", "average"])
def test_a_checkpoint_that_lacks_a_part_is_refused(make, trained, name):
    net, optimiser, average, config, tree = trained
    del tree[name]
    with pytest.raises(CheckpointError, match=rf"^c: expected a checkpoint of a training, got one without {name}"):
        from_tree(tree, net, optimiser, average, config, where="c")


def test_a_checkpoint_of_another_version_is_refused(make, trained):
    net, optimiser, average, config, tree = trained
    tree["progress"]["more"] = 1
    with pytest.raises(CheckpointError, match="got one with another kind of progress"):
        from_tree(tree, net, optimiser, average, config, where="c")


def test_sums_of_an_epoch_become_means():
    progress = Progress().after(Figures(loss=2.0, right=1, seen=4, lr=0.1, grad_norm=1.0))
    progress = progress.after(Figures(loss=5.0, right=2, seen=2, lr=0.1, grad_norm=1.0))
    assert progress.means() == {"train_loss": (2 * 4 + 5 * 2) / 6, "train_accuracy": 3 / 6}
    assert progress.step == 2
    after = progress.next_epoch(history=({"epoch": 1},), stopped="")
    assert (after.judged, after.step, after.seen, after.right) == (1, 2, 0, 0)


def test_without_classes_there_is_no_accuracy():
    progress = Progress().after(Figures(loss=2.0, right=None, seen=4, lr=0.1, grad_norm=1.0))
    assert progress.means() == {"train_loss": 2.0}
