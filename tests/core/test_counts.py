from dataclasses import dataclass

import pytest

from ranvier.core.counts import require_counts
from ranvier.core.errors import ConfigError


@dataclass(frozen=True)
class Box:
    width: int = 1
    limit: int | None = None


def test_one_is_enough_and_none_is_no_bound():
    require_counts("Box.", Box(), "width", "limit")
    require_counts("Box.", Box(width=0))  # not asked about


@pytest.mark.parametrize(
    ("box", "text"),
    [
        (Box(width=0), r"^Box\.width: expected at least 1, got 0\.$"),
        (Box(limit=-3), r"^Box\.limit: expected at least 1, got -3\.$"),
        (Box(width=float("nan")), r"^Box\.width: expected at least 1, got nan\.$"),
    ],
)
def test_a_count_below_one_is_refused_by_its_name(box, text):
    with pytest.raises(ConfigError, match=text):
        require_counts("Box.", box, "width", "limit")
