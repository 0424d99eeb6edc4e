import time

import pytest

from ranvier.core.errors import ConfigError
from ranvier.measure.turns import Timing, ratios, take_turns


def test_contenders_are_called_in_turns_there_and_back():
    calls = []
    take_turns({name: (lambda name=name: calls.append(name)) for name in "abc"}, rounds=3, least_s=0.0)
    assert "".join(calls[-9:]) == "abccbaabc"


def test_one_that_sleeps_longer_takes_longer_and_the_ratio_says_how_much():
    timings = take_turns(
        {"short": lambda: time.sleep(0.002), "long": lambda: time.sleep(0.02)}, rounds=3, least_s=0.001
    )
    assert timings["long"].median > timings["short"].median
    assert ratios(timings["long"], timings["short"]) > 1


def test_median_and_quartiles_of_known_samples():
    timing = Timing(seconds=(1.0, 2.0, 3.0, 4.0, 5.0))
    assert timing.median == 3.0
    assert timing.quartiles == (2.0, 4.0)
    assert Timing(seconds=(7.0,)).quartiles == (7.0, 7.0)


def test_the_ratio_compares_samples_of_the_same_round():
    # A neighbour doubles the second round for both: the ratio does not notice.
    assert ratios(Timing(seconds=(3.0, 6.0, 3.0)), Timing(seconds=(1.0, 2.0, 1.0))) == 3.0


def test_progress_is_told_after_each_round():
    told = []
    take_turns({"a": lambda: None}, rounds=4, least_s=0.0, tell=told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(("contenders", "rounds"), [({}, 3), ({"a": lambda: None}, 0)])
def test_nothing_to_time_is_refused(contenders, rounds):
    with pytest.raises(ConfigError, match="take_turns: expected contenders and at least one round"):
        take_turns(contenders, rounds=rounds)
