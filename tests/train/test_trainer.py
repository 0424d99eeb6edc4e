"""The trainer: what it writes, how it ends, and that cutting a training anywhere changes nothing."""

import errno
import os
import signal

import pytest
import torch

from ranvier.core.errors import CheckpointError, ConfigError, DataError, NonFiniteError, RunError, UnknownNameError
from ranvier.runs import Run
from ranvier.train import SGD, Advice, Constant, EarlyStop, LayerWatch, OneCycle, Saving, SpikeBudget

NO_TIMES = ("time", "steps_per_s")
EACH = Saving(steps=1, seconds=None, log_steps=1)


def start(place):
    return Run.create(place, name="test", config={})


def bits(net):
    return {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def rows(run):
    return [{name: value for name, value in row.items() if name not in NO_TIMES} for row in run.metrics()]


class Dead(BaseException):
    """Stands for a sudden death: nothing in the trainer catches it."""


def dying(after):
    """A watcher that dies after so many calls."""
    calls = []

    def watch(fraction, words, /, **figures):
        calls.append(fraction)
        if len(calls) == after:
            raise Dead

    return watch


def signalled(number, at):
    """A watcher that sends this process a signal at a step."""
    seen = []

    def watch(fraction, words, /, **figures):
        seen.append(fraction)
        if len(seen) == at:
            os.kill(os.getpid(), number)

    return watch


def test_a_training_learns_and_leaves_its_figures(make, folder):
    run = start(folder)
    told = []
    trainer = make.trainer(epochs=6, optimiser=SGD(lr=0.1), schedule=Constant())
    outcome = trainer.fit(run, watch=lambda f, w, /, **k: told.append((f, w, k)))
    assert outcome.state == "finished"
    assert (outcome.step, outcome.words) == (36, "")
    assert len(outcome.history) == 6
    assert outcome.history[-1]["test_accuracy"] > 0.9
    assert outcome.history[-1]["train_loss"] < outcome.history[0]["train_loss"]
    steps = [row for row in rows(run) if "loss" in row]
    epochs = [row for row in rows(run) if "train_loss" in row]
    assert [row["step"] for row in steps] == list(range(1, 37))
    assert {"loss", "lr", "grad_norm", "epoch"} <= steps[0].keys()
    assert [(row["epoch"], row["step"]) for row in epochs] == [(n, 6 * n) for n in range(1, 7)]
    last = epochs[-1]
    assert 0 < last["rate"] < 1
    assert 0 <= last["dead"] < 1
    assert last["spikes_per_sample"] > 0
    (layer,) = last["layers"].values()
    assert layer["rate"] == pytest.approx(last["rate"])
    assert [f for f, _, _ in told] == sorted(f for f, _, _ in told)
    assert told[-1][:2] == (1.0, "epoch 6 of 6")
    assert {"loss", "train_accuracy", "steps_per_s"} <= told[0][2].keys()
    assert run.newest().checkpoint.step == 36


def test_judging_again_gives_the_last_figures(make):
    trainer = make.trainer(epochs=1)
    outcome = trainer.fit()
    judged = trainer.judge()
    assert judged.loss == outcome.history[-1]["test_loss"]
    assert judged.confusion_KK.sum() == judged.num_samples == 16


def test_without_held_out_data_there_is_no_judging(make, folder):
    run = start(folder)
    trainer = make.trainer(epochs=1, test=None)
    outcome = trainer.fit(run)
    assert outcome.history[-1].keys() == {"epoch", "train_loss", "train_accuracy"}
    assert "layers" not in run.metrics()[-1]
    with pytest.raises(ConfigError, match=r"^Trainer\.test: expected a loader of held-out data, got None"):
        trainer.judge()


VARIANTS = {
    "plain": {},
    "average": {"ema": 0.8},
    "accumulated": {"accumulate": 4, "clip": 0.5},
    "momentum": {"optimiser": SGD(nesterov=True), "schedule": OneCycle()},
    "16 bits": {"precision": "bfloat16"},
}


CUTS = (2, 3, 5)  # in the first epoch, or around its end if accumulated


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
def test_a_training_cut_after_any_call_ends_in_the_same_bits_and_metrics(make, folder, variant):
    settings = {"epochs": 2, **variant}
    whole = make.trainer(**settings)
    whole_run = start(folder / "whole")
    outcome = whole.fit(whole_run)
    expected = bits(whole.net)
    assert len(rows(whole_run)) == outcome.step + 2
    for cut in range(1, outcome.step + 3) if not variant else CUTS:
        run = start(folder / str(cut))
        first = make.trainer(**settings)
        with pytest.raises(Dead):
            first.fit(run, watch=dying(cut))
        second = make.trainer(make.net(seed=99), **settings)  # another start, so that all must come from the run
        if run.newest() is None:
            second = make.trainer(**settings)
        again = second.fit(run)
        assert again == outcome
        assert same(bits(second.net), expected), f"cut after call {cut}"
        assert rows(run) == rows(whole_run)


def test_how_often_checkpoints_are_written_changes_nothing(make, folder):
    nets = []
    savings = (EACH, Saving(steps=None, seconds=0.0), Saving(steps=5, seconds=None), Saving(steps=None, seconds=None))
    for number, saving in enumerate(savings):
        trainer = make.trainer(epochs=2, saving=saving)
        trainer.fit(start(folder / str(number)))
        nets.append(bits(trainer.net))
    trainer = make.trainer(epochs=2)
    trainer.fit()
    nets.append(bits(trainer.net))
    assert all(same(nets[0], other) for other in nets[1:])


def test_checkpoints_come_by_steps_or_by_time(make, folder, monkeypatch):
    saved = []
    real = Run.save
    monkeypatch.setattr(Run, "save", lambda self, step, tree: (saved.append(step), real(self, step, tree)))
    for number, saving in enumerate(
        (Saving(steps=4, seconds=None), Saving(steps=None, seconds=0.0), Saving(seconds=1e6))
    ):
        saved.clear()
        make.trainer(epochs=2, saving=saving).fit(start(folder / str(number)))
        assert saved == [[4, 8, 12], list(range(1, 13)), [12]][number]


def test_a_finished_training_is_not_trained_again(make, folder):
    run = start(folder)
    first = make.trainer(epochs=1, ema=0.5)
    first.fit(run)
    before = rows(run)
    again = make.trainer(make.net(seed=5), epochs=1, ema=0.5)
    outcome = again.fit(run, watch=dying(1))
    assert outcome.state == "finished"
    assert same(bits(again.net), bits(first.net))
    assert rows(run) == before


def test_the_average_is_judged_and_left_in_the_network(make, folder):
    plain, averaged = make.trainer(epochs=2), make.trainer(epochs=2, ema=0.7)
    a = plain.fit()
    b = averaged.fit()
    assert [e["train_loss"] for e in a.history] == [e["train_loss"] for e in b.history]  # the same steps
    assert a.history[-1]["test_loss"] != b.history[-1]["test_loss"]
    assert not same(bits(plain.net), bits(averaged.net))
    assert averaged.judge().loss == b.history[-1]["test_loss"]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("at", [1, 5, 6, 7, 12])
def test_a_signal_ends_it_after_the_step_with_a_checkpoint_and_resuming_ends_in_the_same_bits(make, folder, name, at):
    whole = make.trainer(epochs=2)
    whole_run = start(folder / "whole")
    finished = whole.fit(whole_run)
    run = start(folder / "cut")
    first = make.trainer(epochs=2, saving=Saving(steps=None, seconds=None, log_steps=1))
    outcome = first.fit(run, watch=signalled(getattr(signal, name), at))
    assert outcome.state == "interrupted"
    assert outcome.words == name
    assert outcome.step == run.newest().checkpoint.step == min(at, 6) + max(at - 7, 0)
    second = make.trainer(make.net(seed=99), epochs=2)
    assert second.fit(run) == finished
    assert same(bits(second.net), bits(whole.net))
    assert rows(run) == rows(whole_run)


def test_a_signal_after_the_last_word_leaves_it_finished(make, folder):
    outcome = make.trainer(epochs=1).fit(start(folder), watch=signalled(signal.SIGTERM, 7))
    assert outcome.state == "finished"


def test_early_stop_goes_by_the_whole_history_even_after_a_resume(make, folder):
    settings = {"epochs": 9, "callbacks": (EarlyStop(patience=2, least=10.0),)}
    whole = make.trainer(**settings)
    outcome = whole.fit(start(folder / "whole"))
    assert outcome.state == "stopped"
    assert outcome.step == 18
    assert "test_loss has not become better than" in outcome.words
    run = start(folder / "cut")
    with pytest.raises(Dead):
        make.trainer(**settings).fit(run, watch=dying(16))
    second = make.trainer(make.net(seed=99), **settings)
    assert second.fit(run) == outcome
    assert same(bits(second.net), bits(whole.net))
    assert make.trainer(**settings).fit(run) == outcome  # stopped stays stopped


def test_what_callbacks_say_is_told_and_logged(make, folder):
    run = start(folder)
    told = []
    callbacks = (
        LayerWatch(dead=1e-9, saturated=1.0),
        SpikeBudget(spikes=0.5),
        lambda epoch: Advice(f"layer {len(epoch.activity)}"),
    )
    make.trainer(epochs=1, callbacks=callbacks).fit(run, watch=lambda f, w, /, **k: told.append(w))
    said = run.metrics()[-1]["advice"]
    assert "spikes per sample, over the budget of 0.5; layer 1" in said
    assert told[-1] == said


def test_a_budget_that_raises_leaves_the_last_checkpoint(make, folder):
    run = start(folder)
    with pytest.raises(RuntimeError, match=r"expected at most 0\.5 spikes per sample"):
        make.trainer(epochs=1, callbacks=(SpikeBudget(spikes=0.5, then="raise"),)).fit(run)
    assert run.newest().checkpoint.step == 5


def test_a_callback_that_asks_for_an_unknown_figure_is_told_the_known_ones(make):
    with pytest.raises(UnknownNameError, match="Did you mean 'test_accuracy'"):
        make.trainer(epochs=1, callbacks=(EarlyStop(figure="test_acuracy"),)).fit()


def exploding(outputs_TBK, targets_B):
    """A loss that is infinite for batches of three."""
    return torch.nn.functional.cross_entropy(outputs_TBK.mean(0), targets_B) / (targets_B.numel() - 3)


class Sized:
    """Batches of 8 samples, but of 3 in the third batch of epoch 1."""

    num_batches = 6

    def __init__(self, make):
        self.make = make

    def batches(self, epoch, start=0):
        for number in range(start, 6):
            size = 3 if (epoch, number) == (1, 2) else 8
            yield next(self.make.blobs(size=size, num_batches=number + 1).batches(epoch, number))


def test_a_loss_that_is_not_finite_keeps_the_last_good_checkpoint(make, folder):
    run = start(folder)
    with pytest.raises(NonFiniteError, match=r"^training step 9: expected a finite loss and gradient, got loss inf"):
        make.trainer(train=Sized(make), loss=exploding, saving=Saving(steps=3, seconds=None)).fit(run)
    found = run.newest()
    assert found.checkpoint.step == 6
    assert all(tensor.isfinite().all() for tensor in found.checkpoint.tree["net"].values())


def test_a_nan_in_the_data_is_refused_by_place_and_keeps_the_last_good_checkpoint(make, folder):
    run = start(folder)
    with pytest.raises(NonFiniteError, match=r"the first at index \(0, 0, 0\): nan"):
        make.trainer(train=make.blobs(faulty=2), saving=Saving(steps=3, seconds=None)).fit(run)
    assert run.newest().checkpoint.step == 6


def test_a_figure_of_held_out_data_that_is_not_finite_is_null_and_no_error(make, folder):
    run = start(folder)
    outcome = make.trainer(epochs=1, test=make.blobs(size=3), loss=exploding).fit(run)
    assert outcome.history[-1]["test_loss"] is None
    assert run.metrics()[-1]["test_loss"] is None
    assert outcome.history[-1]["train_loss"] > 0


def test_a_broken_checkpoint_is_warned_of_and_the_one_before_is_used(make, folder):
    whole = make.trainer(epochs=2)
    whole.fit(start(folder / "whole"))
    run = start(folder / "cut")
    with pytest.raises(Dead):
        make.trainer(epochs=2).fit(run, watch=dying(5))
    newest = run.newest().path
    (newest / "tensors.safetensors").write_bytes(b"")
    second = make.trainer(make.net(seed=99), epochs=2)
    with pytest.warns(
        UserWarning, match=r"Resuming from step-000000003, .*\n.*step-000000004/tensors\.safetensors: .* got 0 bytes"
    ):
        second.fit(run)
    assert same(bits(second.net), bits(whole.net))


def test_a_run_of_another_network_or_configuration_is_refused(make, folder):
    run = start(folder)
    make.trainer(epochs=1).fit(run)
    with pytest.raises(CheckpointError, match=r"step-000000006: expected the weights of this network"):
        make.trainer(make.net(norm=False), epochs=1).fit(run)
    with pytest.raises(ConfigError, match=r"got epochs = 1 instead of 2"):
        make.trainer(epochs=2).fit(run)


def test_a_full_disk_is_an_error_and_the_last_checkpoint_stays_good(make, folder, monkeypatch):
    run = start(folder)
    real = os.fsync
    count = []

    def full(handle):
        count.append(handle)
        if len(count) > 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(RunError, match="No space left on device"):
            make.trainer(epochs=2).fit(run)
    assert run.newest().checkpoint.step >= 2
    whole, second = make.trainer(epochs=2), make.trainer(make.net(seed=99), epochs=2)
    whole.fit()
    second.fit(run)
    assert same(bits(second.net), bits(whole.net))


def test_loaders_that_make_no_sense_are_refused(make):
    with pytest.raises(ConfigError, match=r"^Trainer\.train: expected a loader with at least one batch"):
        make.trainer(train=make.blobs(num_batches=0)).fit()

    class Short:
        num_batches = 4

        def batches(self, epoch, start=0):
            return make.blobs(num_batches=3).batches(epoch, start)

    with pytest.raises(DataError, match=r"^Trainer\.train: expected all batches of epoch 0, got 3 of 4"):
        make.trainer(train=Short()).fit()

    class Parted(Short):
        world_size = 2

    with pytest.raises(ConfigError, match=r"^Trainer\.train: expected a loader of whole batches, .* the trainer parts"):
        make.trainer(train=Parted()).fit()


def test_it_works_with_the_loader_of_the_data_room(make):
    from ranvier.data.loader import Loader

    class Samples:
        def __len__(self):
            return 20

        def __getitem__(self, index):
            return torch.eye(12)[4 * (index % 3)].expand(5, 12), index % 3

    trainer = make.trainer(
        epochs=3, train=Loader(samples=Samples(), encode=lambda x: x, batch_size=8), optimiser=SGD(lr=0.1), test=None
    )
    outcome = trainer.fit()
    assert outcome.step == 9
    assert outcome.history[-1]["train_loss"] < outcome.history[0]["train_loss"]
