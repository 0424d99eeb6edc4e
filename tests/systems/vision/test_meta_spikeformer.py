"""The system as a whole: options, training, results. Letters: T time, B batch, K classes, H W space."""

from dataclasses import replace

import pytest
import torch

from ranvier.core.errors import CheckpointError, ConfigError, RunError
from ranvier.report import Results
from ranvier.runs import Run
from ranvier.systems import config as options
from ranvier.systems.vision.images import Images
from ranvier.systems.vision.meta_spikeformer import system
from ranvier.systems.vision.meta_spikeformer.model import Model
from ranvier.systems.vision.meta_spikeformer.scenes import SceneBatches, SceneTask
from ranvier.systems.vision.meta_spikeformer.system import Config
from ranvier.systems.vision.meta_spikeformer.teacher import Teacher
from ranvier.train import LAMB, Train

MODEL = Model(widths=(4, 4, 4, 8, 8), blocks=(1, 0, 0, 1, 0), strides=(2, 2, 1, 1, 1), heads=2, start="threshold")
RECIPE = Train(epochs=1, optimiser=LAMB(lr=1e-2))
TINY = Config(
    model=MODEL, images=Images(source="nmnist", steps=2, limit=20, test_limit=20, batch_size=10), width=8, train=RECIPE,
    scenes=SceneTask(num_train=12, num_test=8, batch_size=4), teacher=Teacher(channels=(4, 4), epochs=1),
)  # fmt: skip
DISTILLED = replace(TINY, model=replace(MODEL, distil=True))


def quiet(fraction, words, /, **figures):
    del fraction, words, figures


@pytest.fixture
def scenes(monkeypatch):
    """Scenes without MNIST: bright squares, whose class is their side."""

    def of(task, split, kind, *, seed):
        num, side = (task.num_test if split == "test" else task.num_train), task.layout.side
        images, masks = torch.zeros(num, 1, side, side), torch.zeros(num, side, side, dtype=torch.int64)
        boxes = torch.full((num, task.layout.most, 5), -1.0)
        for i in range(num):
            size, place = 12 + i % 4, 4 * (i % 5)
            images[i, 0, place : place + size, place : place + size] = 3
            masks[i, place : place + size, place : place + size] = 1 + i % 4
            boxes[i, 0] = torch.tensor([i % 4, place, place, place + size, place + size])
        return SceneBatches(images, masks, boxes, kind, task.steps, task.batch_size, None if split == "test" else seed)

    monkeypatch.setattr(SceneBatches, "of", of)


def test_a_training_leaves_results_and_measuring_twice_gives_the_same(tmp_path):
    run = Run.create(tmp_path / "run", name="meta-spikeformer", config={})
    assert system.train(TINY, run.folder, quiet) == ""
    labels = {line.label for line in Results.read(run.folder / "results.json").headlines}
    assert labels >= {"Accuracy", "Loss", "Mean firing rate", "Energy a sample"}
    first, again, other = (system.measure(TINY, seed, lambda fraction, words: None) for seed in (0, 0, 1))
    assert first == again != other
    assert set(first) == {"accuracy", "binary", "rate", "energy_nj"}
    assert first["binary"] == 1
    assert 0 < first["rate"] < 1
    assert first["energy_nj"] > 0


@pytest.mark.parametrize(("goal", "figure"), [("detect", "map50"), ("segment", "miou")])
def test_detection_and_segmentation_train_and_are_judged(goal, figure, scenes, tmp_path):
    config = replace(TINY, goal=goal)
    measured = system.measure(config, 0, lambda fraction, words: None)
    assert 0 <= measured[figure] <= 1
    assert measured["binary"] == 1
    run = Run.create(tmp_path / "run", name="meta-spikeformer", config={})
    assert system.train(config, run.folder, quiet) == ""
    results = Results.read(run.folder / "results.json")
    assert ("detection" if goal == "detect" else "segmentation") in results.title
    assert "Mean" in results.headlines[0].label


def test_a_network_begins_with_the_weights_of_another_run_at_more_time_steps(tmp_path):
    run = Run.create(tmp_path / "run", name="meta-spikeformer", config={})
    system.train(TINY, run.folder, quiet)
    later = replace(TINY, begin=str(run.folder), images=replace(TINY.images, steps=4))
    begun, saved = system._trainer(later).net.state_dict(), run.newest().checkpoint.tree["net"]
    assert begun.keys() == saved.keys()
    assert all(torch.equal(begun[name], saved[name]) for name in begun)
    with pytest.raises(CheckpointError, match="expected the weights of this network"):
        system._trainer(replace(later, model=replace(MODEL, widths=(8, 4, 4, 8, 8))))
    with pytest.raises(RunError, match="expected a run folder"):
        system._trainer(replace(later, begin=str(tmp_path / "nowhere")))
    Run.create(tmp_path / "empty", name="meta-spikeformer", config={})
    with pytest.raises(ConfigError, match="meta-spikeformer: begin: expected a run with a checkpoint"):
        system._trainer(replace(later, begin=str(tmp_path / "empty")))


def test_a_student_learns_beside_its_teacher_and_is_measured_alone():
    trainer = system._trainer(DISTILLED)
    inputs_TB, targets_B = next(iter(trainer.train.batches(0)))
    assert trainer.net.train()(inputs_TB).shape == (2, 10, 3, 10)
    assert trainer.net.eval()(inputs_TB).shape == (2, 10, 10)
    assert torch.isfinite(trainer.loss(trainer.net.train()(inputs_TB), targets_B))
    measured = system.measure(DISTILLED, 0, lambda fraction, words: None)
    assert set(measured) == {"accuracy", "binary", "rate", "energy_nj"}
    with pytest.raises(
        ConfigError, match=r"goal: expected classify, to distil, got detect\. Set model\.distil=false\."
    ):
        replace(DISTILLED, goal="detect")


def test_every_option_is_set_from_the_shell():
    given = [
        "goal=segment",
        "model.heads=2",
        "model.widths=[4, 4, 8, 16, 16]",
        "model.attention=sdsa4",
        "images.steps=4",
    ]
    more = ["scenes.layout.most=2", "train.optimiser.kind=lamb", "train.optimiser.lr=0.01", "teacher.channels=[8]"]
    made = options.override(Config(), given + more)
    assert (made.goal, made.model.widths, made.model.attention) == ("segment", (4, 4, 8, 16, 16), "sdsa4")
    assert made.train.optimiser == LAMB(lr=0.01)
    assert (made.scenes.layout.most, made.teacher.channels, made.images.steps) == (2, (8,), 4)
    assert options.from_plain(Config(), options.to_plain(made)) == made


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: replace(TINY, width=0), "meta-spikeformer: width: expected at least 1 channel, got 0."),
        (lambda: replace(TINY, label_smoothing=1.0), "label_smoothing: expected a share in [0, 1), got 1.0."),
        (lambda: replace(MODEL, heads=3), "model.heads: expected heads that divide the widths (8, 8), got 3."),
        (lambda: replace(MODEL, widths=(4, 4, 4, 8)), "model.widths: expected 5 numbers >= 1, one for each stage"),
        (lambda: replace(MODEL, strides=(0, 1, 1, 1, 1)), "model.strides: expected 5 numbers >= 1"),
        (
            lambda: replace(TINY, goal="detect", model=replace(MODEL, strides=(5, 1, 1, 1, 1))),
            "model.strides: expected strides of the first stages that divide the scenes' side of 48 pixels",
        ),
        (lambda: Teacher(channels=()), "teacher.channels: expected at least one number >= 1, got ()."),
        (lambda: Teacher(epochs=0), "teacher.epochs: expected at least 1, got 0."),
        (lambda: SceneTask(num_test=0), "SceneTask.num_test: expected at least 1, got 0."),
    ],
)
def test_impossible_options_are_refused(make, text):
    with pytest.raises(ConfigError) as caught:
        make()
    assert text in str(caught.value)


def test_the_control_differs_from_the_claim_by_the_mechanism_only():
    claim = system.SYSTEM.claim
    assert claim.control.model.shortcut == "vanilla"
    assert replace(claim.control, model=replace(claim.control.model, shortcut="membrane")) == claim.config


def test_for_a_comparison_it_learns_what_it_is_given():
    made = system.SYSTEM.classifier(TINY.images, RECIPE)
    assert (made.images, made.train, made.goal) == (TINY.images, RECIPE, "classify")
