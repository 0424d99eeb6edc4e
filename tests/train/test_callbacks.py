import pytest

from ranvier.core.errors import ConfigError, UnknownNameError
from ranvier.train import Activity, BudgetError, EarlyStop, Epoch, LayerWatch, SpikeBudget


def after(values, figure="test_loss", activity=()):
    history = tuple({"epoch": n, figure: value} for n, value in enumerate(values, start=1))
    return Epoch(number=len(values), step=10 * len(values), history=history, activity=dict(activity))


def layer(**changes):
    return Activity(**{"num_neurons": 10, "rate": 0.1, "dead": 0.0, "saturated": 0.0, "spikes": 50.0, **changes})


def test_it_stops_once_the_figure_has_not_become_better_for_so_many_epochs():
    stop = EarlyStop(patience=2)
    assert stop(after([3.0, 2.0, 2.0])) is None
    advice = stop(after([3.0, 2.0, 2.0, 2.5]))
    assert advice.stop
    assert advice.words == "test_loss has not become better than 2 for 2 epochs"
    assert stop(after([3.0, 2.0, 2.5, 1.0, 1.5])) is None


def test_of_an_accuracy_the_larger_is_the_better():
    stop = EarlyStop(figure="test_accuracy", patience=1)
    assert stop(after([0.1, 0.2], "test_accuracy")) is None
    assert "better than 0.2 for 1 epochs" in stop(after([0.2, 0.1], "test_accuracy")).words


def test_a_change_that_is_too_small_does_not_count():
    assert EarlyStop(patience=1, least=0.1)(after([1.0, 0.95])).stop
    assert EarlyStop(patience=1, least=0.1)(after([1.0, 0.8])) is None


def test_a_figure_that_is_not_finite_is_no_better_one():
    assert EarlyStop(patience=1)(after([1.0, None])).stop


def test_an_unknown_figure_lists_near_ones():
    with pytest.raises(UnknownNameError, match=r"EarlyStop\.figure: .* got 'test_los'\. Did you mean 'test_loss'"):
        EarlyStop(figure="test_los")(after([1.0]))


def test_dead_and_saturated_layers_are_named():
    watch = LayerWatch(dead=0.9, saturated=0.5)
    assert watch(after([1.0], activity={"a": layer()})) is None
    advice = watch(after([1.0], activity={"a": layer(dead=0.95), "b": layer(), "c": layer(saturated=0.5)}))
    assert not advice.stop
    assert advice.words == (
        'layer "a": 95% of its 10 neurons never fired; layer "c": 50% of its 10 neurons fired at nearly every step'
    )


def test_a_spike_budget_warns_stops_or_raises():
    busy = {"a": layer(spikes=50.0), "b": layer(spikes=30.0)}
    assert SpikeBudget(spikes=80.0)(after([1.0], activity=busy)) is None
    advice = SpikeBudget(spikes=79.0)(after([1.0], activity=busy))
    assert advice == ("80 spikes per sample, over the budget of 79", False)
    assert SpikeBudget(spikes=79.0, then="stop")(after([1.0], activity=busy)).stop
    with pytest.raises(
        BudgetError, match=r"^epoch 1: expected at most 79 spikes per sample, got 80\. Raise thresholds"
    ):
        SpikeBudget(spikes=79.0, then="raise")(after([1.0], activity=busy))
    assert SpikeBudget(spikes=79.0, after=1)(after([1.0], activity=busy)) is None


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: EarlyStop(patience=0), "EarlyStop.patience"), (lambda: EarlyStop(least=-1.0), "EarlyStop.least"),
        (lambda: LayerWatch(dead=0.0), "LayerWatch.dead"), (lambda: LayerWatch(saturated=2.0), "LayerWatch.saturated"),
        (lambda: SpikeBudget(spikes=0.0), "SpikeBudget.spikes"),
        (lambda: SpikeBudget(spikes=1.0, then="x"), "SpikeBudget.then"),
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(make, name):
    with pytest.raises(ConfigError, match=rf"^{name}: expected "):
        make()
