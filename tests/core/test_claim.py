from dataclasses import replace

import pytest

from ranvier.core.claim import Claim, Outcome, judge
from ranvier.core.errors import ConfigError

CLAIM = Claim(
    sentence="More is more.", measure=lambda config, seed, progress: {"x": config + seed},
    passes=lambda m: m["x"] >= 10, config=10, control=0,
)  # fmt: skip


def outcome(measured, control):
    return Outcome(measured=tuple({"x": x} for x in measured), control=tuple({"x": x} for x in control))


@pytest.mark.parametrize(
    ("measured", "control", "verdict"),
    [
        ([10, 11, 12], [0, 1, 2], "holds"),
        ([10, 9, 12], [0, 1, 2], "fails"),  # one seed misses
        ([10, 11, 12], [0, 10, 2], "fails"),  # the control passes at one seed: the mechanism explains nothing
    ],
)
def test_a_claim_holds_only_if_every_seed_passes_and_every_control_fails(measured, control, verdict):
    assert judge(CLAIM, outcome(measured, control)) == verdict


def test_an_open_claim_stays_open_until_it_holds():
    claim = replace(CLAIM, state="open", note="seen 9 of 10")
    assert judge(claim, outcome([9, 9, 9], [0, 0, 0])) == "open"
    assert judge(claim, outcome([10, 10, 10], [0, 0, 0])) == "holds"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"seeds": (0, 1)}, "at least three different seeds"),
        ({"seeds": (0, 0, 1)}, "at least three different seeds"),
        ({"control": 10}, "a config with the mechanism off"),
        ({"state": "open"}, "the figures that show why the claim is open"),
    ],
)
def test_claims_that_prove_nothing_are_refused(changes, text):
    with pytest.raises(ConfigError, match=text):
        replace(CLAIM, **changes)
