"""Timing side by side: contenders take turns, so that whatever else the machine does hits all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ranvier.core.errors import ConfigError

Run = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What one contender took.

    Args: seconds: of each sample, a call each. median, low, high: of the samples; low and high are the quartiles.
    """

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Seconds a call that half of the samples stayed below."""
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Seconds a call that a quarter of the samples stayed below, and three quarters."""
        if len(self.seconds) < 2:
            return self.seconds[0], self.seconds[0]
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return low, high


def take_turns(
    contenders: Mapping[str, Run],
    *,
    rounds: int = 9,
    least_s: float = 0.01,
    tell: Callable[[float], None] | None = None,
) -> dict[str, Timing]:
    """Time contenders in turns: A B C, C B A, A B C ...

    Each is called once before, so that nobody pays for a first call. A sample is as many calls as fill ``least_s``.

    Args: rounds: samples of each. tell: told the share that is done.
    Raises: ConfigError for no contenders or no rounds.
    """
    if not contenders or rounds < 1:
        raise ConfigError(
            "take_turns", expected="contenders and at least one round", got=f"{len(contenders)}, {rounds}"
        )
    calls = {name: _calls(run, least_s) for name, run in contenders.items()}
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(rounds):
        for name in names if number % 2 == 0 else names[::-1]:
            samples[name].append(_time(contenders[name], calls[name]))
        if tell is not None:
            tell((number + 1) / rounds)
    return {name: Timing(seconds=tuple(values)) for name, values in samples.items()}


def ratios(first: Timing, second: Timing) -> float:
    """Return how many times longer the first took: the median of the ratios of samples of the same round."""
    pairs: Sequence[float] = [a / b for a, b in zip(first.seconds, second.seconds, strict=True)]
    return statistics.median(pairs)


def _calls(run: Run, least_s: float) -> int:
    run()
    once = _time(run, 1)
    return max(1, round(least_s / max(once, 1e-9)))


def _time(run: Run, calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - started) / calls
