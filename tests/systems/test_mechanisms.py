"""What a claim rests on, seen at once if it breaks. Letters: T time, B batch, G experts, M neurons, N inputs, P places."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ranvier.rules import Arrivals
from ranvier.systems.events.hd_snn import motion
from ranvier.systems.events.hd_snn.motion import Motion
from ranvier.systems.training import hlop
from ranvier.systems.vision import vprsnn
from ranvier.systems.vision.vprsnn import Rates, Readout

PLACES = vprsnn.Config(
    side=8, experts=3, places=2, neurons=6, rates=Rates(steps=60), longest=3.0, total=40.0, tau_e=2.0, t_mute=0.0, nu_post=0.3,
    epochs=1, calibration=3, route=vprsnn.Route(side=16),
)  # fmt: skip


@pytest.mark.parametrize("activity", ["rate", "steps"])
def test_what_subspaces_learn_from_reaches_the_rule_of_hlop(activity):
    assert hlop._rule(replace(hlop.SMALL, activity=activity)).activity == activity


def test_an_expert_asked_alone_is_not_outvoted_and_calibration_places_are_no_test():
    """The neurons of place 0 fire at everything; those of every other place fire there alone."""
    place_GM = 2 * torch.arange(3)[:, None] + torch.arange(6) % 2
    activity_GM = torch.where(place_GM == 0, 9, 1)
    responses_PGM = torch.stack([3.0 * (place_GM == place) for place in range(6)])
    responses_PGM[:, place_GM == 0] = 10.0
    found = vprsnn.judge(PLACES, vprsnn.look(PLACES), Readout(place_GM, activity_GM), 9.0, responses_PGM)
    assert (found["naive"], found["own"], found["recall_1"], found["recovered"]) == (0, 1, 1, 1)
    assert found["shuffled"] == 0  # three of eighteen at random leave one of the three that outvote all


def test_weights_of_an_expert_come_to_resemble_its_views():
    views, net = vprsnn.look(PLACES), vprsnn.build(PLACES)
    groups = net.get_submodule("groups")
    views_GN = torch.unflatten(views.reference_VPN.mean(0), 0, (3, 2)).mean(1)

    def alike():
        return [float(np.corrcoef(w, v)[0, 1]) for w, v in zip(groups.weight.mean(1), views_GN, strict=True)]

    before = alike()
    for number in range(3):
        vprsnn.epoch(net, PLACES, views, number, Arrivals.of(groups))
    assert all(late > early + 0.2 for late, early in zip(alike(), before, strict=True))


def test_photographs_to_judge_by_are_not_those_to_learn_from(monkeypatch):
    photographs = np.broadcast_to(np.arange(16, dtype=np.uint8)[:, None, None], (16, 40, 40)).copy()
    monkeypatch.setattr(motion.natural_images, "load", lambda name: photographs)
    monkeypatch.setattr(motion, "whitened", lambda photograph: photograph / 255)  # or all means are alike
    shown = {
        split: {round(float(x.mean()) * 255) for x in motion.pictures(Motion(images="natural"), 0, split, 60, 16)}
        for split in ("train", "test")
    }
    assert shown == {"train": set(range(12)), "test": {12, 13, 14, 15}}


def test_parts_of_photographs_are_squares_from_all_over_them(monkeypatch):
    across = np.broadcast_to(np.arange(70, dtype=np.uint8), (16, 30, 70)).copy()
    for photographs in (across, across.transpose(0, 2, 1)):
        monkeypatch.setattr(motion.natural_images, "load", lambda name, found=photographs: found)
        monkeypatch.setattr(motion, "whitened", lambda photograph: photograph)
        shown = motion.pictures(Motion(images="natural"), 0, "train", 200, 20)
        assert {x.shape for x in shown} == {(30, 30)}
        assert {float(x.min()) for x in shown} == set(range(41))


def test_a_photograph_without_contrast_is_one_grey():
    assert motion.whitened(torch.full((20, 30), 77.0)).sub(0.3).abs().max() < 1e-3
