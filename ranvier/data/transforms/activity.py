"""Filters against background activity: noise comes alone, what moves comes in company.

All three look at the past only, so they can run as the events come.
"""

from dataclasses import dataclass

from ranvier.data.columns import AnyEvents, at_least, positive
from ranvier.data.transforms.past import dense, supported


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundActivity:
    """Keep an event if its nearest neighbour in space and time is near: one of the 8 pixels around fired just before.

    keep i  if  t_i - max over the 8 neighbours q of t_last(q) <= tau

    Source: Delbruck 2008, Proc. Int. Symp. Secure-Life Electronics, 21 (background activity filter).
    Raises: ConfigError for a time that is not positive.
    """

    tau: float | str = 10.0  # ms, or with a unit

    def __post_init__(self) -> None:
        positive(self.tau, "BackgroundActivity.tau")

    def __call__(self, events: AnyEvents) -> AnyEvents:
        """Return the events that are kept, in order: (E',), E' <= E."""
        return supported(events, window=positive(self.tau, "tau"), num=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class STCF:
    """Spatio-temporal correlation filter: keep an event if at least ``num`` of its 8 neighbours fired just before.

    keep i  if  sum over the 8 neighbours q of [t_i - t_last(q) <= tau] >= num

    A neighbour counts once, however often it fired, so one hot pixel does not vouch for those around it. With num = 1
    this is ``BackgroundActivity``.

    Source: Guo and Delbruck 2023, IEEE TPAMI 45:785 (low cost and latency event camera background activity denoising).
    Raises: ConfigError for a time or number that makes no sense.
    """

    tau: float | str = 10.0  # ms, or with a unit
    num: int = 2

    def __post_init__(self) -> None:
        positive(self.tau, "STCF.tau")
        at_least("STCF.num", self.num, 1)

    def __call__(self, events: AnyEvents) -> AnyEvents:
        """Return the events that are kept, in order: (E',), E' <= E."""
        return supported(events, window=positive(self.tau, "tau"), num=self.num)


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """Keep an event if there were at least ``num`` events in the box of space and time before it.

    keep i  if  #{j before i: |x_j - x_i| <= radius, |y_j - y_i| <= radius, not the same pixel, t_i - t_j <= tau} >= num

    Source: Feng et al. 2020, Appl. Sci. 10:2024 (event density in a space-time neighbourhood), here of the past only.
    Raises: ConfigError for a time or number that makes no sense.
    """

    tau: float | str = 5.0  # ms, or with a unit
    radius: int = 2  # pixels
    num: int = 3

    def __post_init__(self) -> None:
        positive(self.tau, "Neighbourhood.tau")
        at_least("Neighbourhood.radius", self.radius, 1)
        at_least("Neighbourhood.num", self.num, 1)

    def __call__(self, events: AnyEvents) -> AnyEvents:
        """Return the events that are kept, in order: (E',), E' <= E."""
        window = positive(self.tau, "tau")
        return dense(events, radius=self.radius, window=window, num=self.num)
