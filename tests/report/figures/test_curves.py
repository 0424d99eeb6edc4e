import re

import numpy as np

from ranvier.report.figures.curves import curve, panels, smooth
from ranvier.report.source import Series


def series(name, *y):
    return Series(name=name, x=tuple(range(1, len(y) + 1)), y=y)


def test_losses_and_accuracies_share_a_panel_each_and_accuracy_becomes_percent():
    made = panels(
        [series("train.loss", 2, 1), series("train.accuracy", 0.1, 0.5), series("test.loss", 2, 1), series("lr", 1, 0)]
    )
    assert [p.title for p in made] == ["Loss", "Accuracy, %", "Learning rate"]
    assert [s.name for s in made[0].series] == ["train.loss", "test.loss"]
    np.testing.assert_allclose(made[1].series[0].y, (10, 50))


def test_accuracy_that_is_in_percent_stays():
    assert panels([series("accuracy", 10, 50)])[0].series[0].y == (10, 50)


def test_figures_one_a_layer_share_a_panel_with_that_of_all():
    names = ("dead", "layers.block.conv1.dead", "layers.conv2.dead", "train.rate")
    made = panels([series(name, 0, 1) for name in names])
    assert [p.title for p in made] == ["Dead neurons, share", "Firing rate"]
    drawn = str(curve(made[0]))
    for name in ("all", "block.conv1", "conv2"):
        assert f">{name}<" in drawn
    assert ">all<" not in curve(made[1])


def test_steps_epochs_and_tests_are_told_apart():
    drawn = str(curve(panels([series(name, 2, 1) for name in ("loss", "train_loss", "test_loss")])[0]))
    for name in ("each step", "train", "test"):
        assert f">{name}<" in drawn


def test_smoothing_follows_the_formula_and_keeps_a_constant():
    np.testing.assert_allclose(smooth([3.0] * 50, 7), 3.0)
    a = 1 - 2 / 8
    m1, m2 = 0.25 * 1.0, a * 0.25 * 1.0 + 0.25 * 5.0
    np.testing.assert_allclose(smooth([1.0, 5.0], 7), [m1 / (1 - a), m2 / (1 - a**2)])


def heights(svg):
    d = re.search(r'd="M([^"]*)" class="line c1"', str(svg))[1]
    return [float(pair.split()[1]) for pair in d.split("L")]


def test_a_falling_loss_falls_on_the_page():
    made = heights(curve(panels([series("loss", 3, 2, 1)])[0]))
    assert made == sorted(made)
    np.testing.assert_allclose(np.diff(made, 2), 0, atol=0.11)


def test_many_points_are_drawn_faint_with_a_smoothed_line_and_lose_no_peak():
    y = [1.0 + 0.2 * (i % 2) for i in range(5000)]
    y[3000] = 2.0
    made = str(curve(panels([series("loss", *y)])[0]))
    assert "line raw c1" in made
    assert len(made) < 40_000
    raw = re.search(r'd="M([^"]*)" class="line raw c1"', made)[1]
    tops = [float(pair.split()[1]) for pair in raw.split("L")]
    assert min(tops) < max(tops) - 100


def test_flat_single_and_wild_series_can_be_drawn():
    assert "<svg" in curve(panels([series("loss", 1.0, 1.0)])[0])
    assert "<circle" in curve(panels([series("loss", 0.0)])[0])
    wild = [1e30, *np.linspace(2, 1, 300)]
    assert 'class="line c1"' in curve(panels([series("loss", *wild)])[0])


def test_starts_of_epochs_are_marked_unless_too_many():
    panel = panels([series("loss", *np.linspace(2, 1, 100))])[0]
    assert str(curve(panel, [1, 25, 50])).count("grid epoch") == 2
    assert "grid epoch" not in str(curve(panel, list(range(100))))


def test_a_role_has_one_colour_in_every_panel_and_layers_are_in_order():
    loss, accuracy = panels(
        [series(name, 0.2, 0.1) for name in ("test_loss", "train_loss", "loss", "test_accuracy", "train_accuracy")]
    )
    for panel in (loss, accuracy):
        drawn = str(curve(panel))
        assert re.search(r'class="line c1"/><text[^>]*>train<', drawn)
        assert re.search(r'class="line c2"/><text[^>]*>test<', drawn)
    layers = panels([series(f"layers.conv{i}.rate", 0, 1) for i in (10, 2, 1)])[0]
    assert re.findall(r">(conv\d+)<", str(curve(layers))) == ["conv1", "conv2", "conv10"]


def test_a_schedule_is_not_smoothed():
    drawn = str(curve(panels([series("lr", *np.linspace(1, 0, 500))])[0]))
    assert "line raw" not in drawn
    assert 'class="line c1"' in drawn
