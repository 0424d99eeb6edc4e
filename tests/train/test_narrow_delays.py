import pytest
import torch
from torch import nn

import ranvier.nn as rn
from ranvier.core.errors import ConfigError
from ranvier.data.loader import Encoded, Loader, same
from ranvier.rules import BPTT
from ranvier.runs import Run
from ranvier.train import AdamW, Epoch, NarrowDelays, Saving, Train, Trainer
from ranvier.train.losses import RateCrossEntropy


def net_of(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return rn.Sequential(rn.DelayedLinear(3, 4, max_delay=24), nn.ReLU(), rn.DelayedLinear(4, 2, max_delay=0))


def test_the_width_falls_by_the_same_factor_each_epoch_until_it_is_narrow():
    net = net_of()
    callback = NarrowDelays(net=net, epochs=40)  # E = 10
    for number, width in ((1, 12 * (0.23 / 12) ** 0.1), (5, (12 * 0.23) ** 0.5), (10, 0.23), (31, 0.23)):
        assert callback(Epoch(number=number, step=0, history=(), activity={})) is None
        assert float(net[0].width) == pytest.approx(width, rel=1e-5)
        assert float(net[2].width) == 0.0  # was narrow from the start


def test_epochs_may_come_in_any_order_since_nothing_is_remembered():
    net = net_of()
    callback = NarrowDelays(net=net, epochs=4, share=1.0)
    seen = {}
    for number in (3, 1, 2, 3, 1):
        callback(Epoch(number=number, step=0, history=(), activity={}))
        assert seen.setdefault(number, float(net[0].width)) == float(net[0].width)


def test_numbers_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="NarrowDelays.epochs: expected at least 1, got 0"):
        NarrowDelays(net=net_of(), epochs=0)
    with pytest.raises(ConfigError, match=r"NarrowDelays.share: expected a share in \(0, 1\], got 0"):
        NarrowDelays(net=net_of(), epochs=1, share=0)
    with pytest.raises(ConfigError, match="NarrowDelays.last: expected a width > 0"):
        NarrowDelays(net=net_of(), epochs=1, last=0.0)


class KilledError(Exception):
    pass


def trainer_of(net):
    g = torch.Generator().manual_seed(1)
    samples = [(torch.rand(12, 3, generator=g) < 0.3).float() for _ in range(20)]
    config = Train(epochs=6, optimiser=AdamW(lr=0.01), saving=Saving(steps=1))
    return Trainer(
        net=net, rule=BPTT(), loss=RateCrossEntropy(), config=config,
        train=Loader(samples=Encoded(samples, [i % 2 for i in range(20)]), encode=same, batch_size=5),
        callbacks=(NarrowDelays(net=net, epochs=6, share=1.0),),
        lr_scale=lambda name: 100.0 if name.endswith("delay") else 1.0,
    )  # fmt: skip


@pytest.mark.parametrize("after", [3, 8, 13])
def test_a_training_that_is_killed_goes_on_to_the_same_bits(tmp_path, after):
    whole = net_of()
    trainer_of(whole).fit()

    def watch(fraction, words, /, **figures):
        if fraction >= after / 24:
            raise KilledError

    folder = Run.create(tmp_path / "run", name="x", config={}).folder
    with pytest.raises(KilledError):
        trainer_of(net_of()).fit(Run.open(folder), watch=watch)
    resumed = net_of()
    trainer_of(resumed).fit(Run.open(folder))
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    assert float(whole[0].width) == pytest.approx(0.23)


def test_delays_move_by_their_own_learning_rate():
    net = net_of()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    trainer_of(net).fit()
    moved = {name: (p - before[name]).abs().max().item() for name, p in net.named_parameters()}
    assert moved["0.delay"] > 1.0 > 0.3 > moved["0.weight"] > 0
