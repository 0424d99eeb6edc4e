"""Letters: T time, B batch, C polarity, H W space, K classes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.data.sets import nmnist
from ranvier.report import Results
from ranvier.runs import Run
from ranvier.systems.training import stbp
from ranvier.train import Train

TINY = replace(stbp.ORDER, limit=12, num_frames=3, shrink=4, channels=(4,), batch_size=8, train=Train(epochs=1))


def quiet(fraction, words, /, **figures):
    del fraction, words, figures


@pytest.fixture(scope="module")
def recording():
    return nmnist.sample("test")[0][0]


def test_exchanging_two_saccades_moves_every_event_of_them_by_one_saccade_and_loses_none(recording):
    exchanged = stbp.exchange(recording)
    assert len(exchanged) == len(recording) > 100
    expected = sorted(
        (int(t) + (105_000 if t < 105_000 else -105_000 if t < 210_000 else 0), int(x), int(y), int(p))
        for t, x, y, p in zip(recording.t, recording.x, recording.y, recording.polarity, strict=True)
    )
    columns = (exchanged.t, exchanged.x, exchanged.y, exchanged.polarity)
    assert sorted(zip(*(c.tolist() for c in columns), strict=True)) == expected
    assert (np.diff(exchanged.t) >= 0).all()


def test_exchanging_twice_gives_the_recording_back(recording):
    twice = stbp.exchange(stbp.exchange(recording))
    for name in ("t", "x", "y", "polarity"):
        np.testing.assert_array_equal(getattr(twice, name), getattr(recording, name))


def test_each_recording_comes_in_both_orders_and_ends_alike():
    recordings = nmnist.sample("test")
    orders = stbp.Orders(recordings=recordings)
    assert len(orders) == 2 * len(recordings) == 200
    for index in (0, 37):
        (plain, zero), (other, one) = orders[2 * index], orders[2 * index + 1]
        assert (zero, one) == (0, 1)
        np.testing.assert_array_equal(plain.x[plain.t >= 210_000], other.x[other.t >= 210_000])
        assert not np.array_equal(plain.t, other.t)


def test_a_network_gives_one_score_a_class_and_step_and_the_seed_alone_decides_its_weights():
    config = replace(stbp.Config(), channels=(3, 5), shrink=1)
    torch.manual_seed(9)
    before = torch.get_rng_state()
    nets = [stbp.build(replace(config, seed=seed)) for seed in (0, 0, 1)]
    assert torch.equal(torch.get_rng_state(), before)
    scores = [net.eval()(torch.rand(5, 2, 2, 34, 34).round()) for net in nets[:1]]
    assert scores[0].shape == (5, 2, 10)
    weights = [torch.cat([p.detach().flatten() for p in net.parameters()]) for net in nets]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_credit_through_time_reaches_the_first_frame_and_the_control_cuts_it():
    torch.manual_seed(0)
    for horizon, reached in ((None, True), (1, False)):
        config = replace(TINY, horizon=horizon, norm="none")
        net = stbp.build(config).eval()
        inputs = torch.rand(3, 2, 2, 9, 9).requires_grad_()
        trainer = stbp._trainer(config)
        trainer.rule.accumulate(net, inputs, torch.tensor([0, 1]), trainer.loss)
        assert inputs.grad is not None
        assert bool(inputs.grad[0].abs().sum() > 0) is reached
        assert bool(inputs.grad[2].abs().sum() > 0)


def test_a_training_leaves_results_that_can_be_read(tmp_path):
    run = Run.create(tmp_path / "run", name="stbp", config={})
    assert stbp.train(TINY, run.folder, quiet) == ""
    results = Results.read(run.folder / "results.json")
    assert {line.label for line in results.headlines} >= {"Accuracy", "Loss"}
    assert "order of saccades" in results.title


def test_measuring_twice_gives_the_same_and_the_seed_matters():
    first, again, other = (stbp.measure(TINY, seed, lambda fraction, words: None) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    assert 0 <= first["accuracy"] <= 1
    assert 0 < first["rate"] < 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shrink": 0}, "stbp: shrink: expected at least 1, got 0."),
        ({"limit": 0}, "stbp: limit: expected at least 1, got 0."),
        ({"channels": ()}, "stbp: channels: expected at least one number >= 1, got ()."),
        ({"channels": (4, 0)}, "stbp: channels: expected at least one number >= 1, got (4, 0)."),
        ({"channels": (4,) * 6}, "stbp: channels: expected pixels left after pooling"),
        ({"dropout": 1.0}, "stbp: dropout: expected a share in [0, 1), got 1.0."),
        ({"drop_events": 1.5}, "stbp: drop_events: expected a share in [0, 1], got 1.5."),
        ({"task": "order", "num_frames": 8}, "stbp: num_frames: expected a multiple of 3, got 8. A frame must not"),
    ],
)
def test_impossible_options_are_refused(changes, message):
    with pytest.raises(ConfigError) as caught:
        replace(stbp.Config(), **changes)
    assert message in str(caught.value)


def test_the_control_differs_from_the_claim_by_the_mechanism_only():
    claim = stbp.SYSTEM.claim
    assert replace(claim.control, horizon=None) == claim.config
    assert claim.control.horizon == 1
