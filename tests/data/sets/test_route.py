import re
from dataclasses import replace

import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.data.sets.route import Route, visit


def likeness(a, b):
    """Correlation of each view of a with the view of b of the same index."""
    a, b = ((x.flatten(1).float() - x.flatten(1).float().mean(1, keepdim=True)) for x in (a, b))
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))


def test_visits_show_the_same_places_under_other_conditions():
    route = Route(places=20)
    spring, fall = visit(route, "spring"), visit(route, "fall")
    assert spring.shape == (20, 28, 28)
    assert spring.dtype == torch.uint8
    same, others = likeness(spring, fall), likeness(spring, fall.roll(7, 0))
    assert not torch.equal(spring, fall)
    assert same.mean() > 0.4
    assert same.mean() > others.abs().mean() + 0.3


def test_places_drift_into_each_other():
    still = Route(places=40, light=0.0, noise=0.0, weather=0.0, shift=0, slope=0.5)
    for drift, wanted in ((1.0, 0.0), (0.5, 0.5**0.5)):
        seen = visit(replace(still, drift=drift), "a")
        assert abs(float(likeness(seen[:-1], seen[1:]).mean()) - wanted) < 0.08


def test_a_visit_without_changes_is_the_place_itself():
    still = Route(places=3, light=0.0, noise=0.0, weather=0.0, shift=0)
    assert torch.equal(visit(still, "a"), visit(still, "b"))


def test_views_depend_on_seed_and_name_alone():
    route = Route(places=4)
    assert torch.equal(visit(route, "a", seed=3), visit(route, "a", seed=3))
    assert not torch.equal(visit(route, "a", seed=3), visit(route, "a", seed=4))


def test_coarse_structure_carries_most_of_the_power():
    seen = visit(Route(places=30, noise=0.0), "a").float()
    power = torch.fft.rfft2(seen - seen.mean((1, 2), keepdim=True)).abs().square().mean(0)
    assert power[1:3, 1:3].mean() > 20 * power[10:12, 10:12].mean()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"places": 0}, "Route.places: expected at least 1, got 0."),
        ({"drift": 1.5}, "Route.drift: expected a share in [0, 1], got 1.5."),
        ({"noise": -1.0}, "Route.noise: expected a number >= 0, got -1.0."),
    ],
)
def test_mistakes_are_named(options, text):
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}"):
        Route(**options)
