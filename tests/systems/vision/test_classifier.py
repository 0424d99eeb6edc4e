import pytest
import torch
from torch import nn

import ranvier.nn as rn
from ranvier.data.augment import MixImages
from ranvier.report import Results
from ranvier.runs import Run
from ranvier.systems.vision import classifier
from ranvier.systems.vision.images import Images
from ranvier.train import AdamW, Train


def made(**options):
    torch.manual_seed(0)
    task = Images(source="nmnist", limit=40, test_limit=20, steps=2, shrink=4, batch_size=10, **options)
    net = rn.Sequential(
        rn.conv_norm(2, 6, 3), classifier.NEURON, rn.SSA(6, heads=2, neuron=classifier.NEURON), classifier.NEURON,
        nn.Flatten(), nn.Linear(6 * 8 * 8, 10),
    )  # fmt: skip
    recipe = Train(epochs=4, optimiser=AdamW(lr=0.01))
    return task, classifier.trainer(net, task, recipe, seed=1, label_smoothing=0.1)


def test_the_neuron_halves_its_drive_and_passes_no_gradient_through_the_reset():
    layer = rn.Spiking(classifier.NEURON)
    current = torch.tensor([1.5, 1.0, 0.5, 3.0], dtype=torch.float64, requires_grad=True)
    with rn.observe(layer) as seen:
        layer(current[:, None]).sum().backward()
    assert seen[""].states["v"][:, 0].tolist() == [0.75, 0.875, 0.6875, 0.0]  # 1.84375 crossed 1

    def slope(h):  # of the sigmoid, at the distance from the threshold
        s = torch.sigmoid(torch.tensor(4 * (h - 1), dtype=torch.float64))
        return float(4 * s * (1 - s))

    h = (0.75, 0.875, 0.6875, 1.84375)
    first = sum(slope(h[t]) / 2 ** (t + 1) for t in range(4))
    assert current.grad[0] == pytest.approx(first, rel=1e-6)


@pytest.mark.parametrize("mix", [MixImages(), MixImages(mixup=0.5)])
def test_a_measurement_gives_accuracy_rate_and_energy(mix):
    _, trainer = made(mix=mix)
    figures = classifier.measure(trainer, lambda fraction, words: None)
    assert set(figures) == {"accuracy", "rate", "energy_nj"}
    assert 0 <= figures["accuracy"] <= 1
    assert 0 < figures["rate"] < 1
    assert figures["energy_nj"] > 0


def test_a_run_folder_holds_results_in_words(tmp_path):
    task, trainer = made()
    run = Run.create(tmp_path / "run", name="x", config={})
    words = classifier.about("A net", task, trainer)
    assert classifier.train(trainer, run.folder, lambda fraction, words, **figures: None, words) == ""
    results = Results.read(run.folder / "results.json")
    assert results.title == "A net on pictures of N-MNIST events"
    assert "trained on 40 images" in results.summary
    assert "judged on 20 others" in results.summary
    assert any(layer.name.startswith("2.product") for layer in results.layers) or results.energy is not None
