"""The page of counts says what is counted, and what is said to be equal is."""

import sys
from pathlib import Path

import pytest

import ranvier

PROJECT = Path(ranvier.__file__).parent.parent


@pytest.fixture(scope="module")
def page():
    sys.path.insert(0, str(PROJECT))
    try:
        from tools import counts_page

        yield counts_page
    finally:
        sys.path.remove(str(PROJECT))
        sys.modules.pop("tools.counts_page", None)


@pytest.fixture(scope="module")
def counted(page):
    return [(count, count.ours()) for count in page.counts()]


def test_every_published_count_is_ours_but_for_those_whose_reason_is_given(counted):
    wrong = [f"{c.system}, {c.what}: {c.printed}, ours {ours}" for c, ours in counted if c.agrees(ours) != c.equal]
    assert not wrong
    assert all(count.words for count, _ in counted if not count.equal)


def test_the_page_is_what_the_tool_writes(page, counted):
    assert page.PAGE.read_text() == page.rendered(counted), "run python tools/counts_page.py"


def test_every_figure_names_its_source_and_every_system_of_the_page_exists(counted):
    assert all(count.source for count, _ in counted)
    assert {count.system for count, _ in counted} - {"all"} <= set(ranvier.systems.names())


@pytest.mark.parametrize(
    ("value", "unit", "ours", "equal"),
    [
        (9_330_874, 0, 9_330_874, True),
        (9_330_874, 0, 9_330_875, False),
        (29.68e6, 1e4, 29_689_384, True),  # cut
        (16.81e6, 1e4, 16_820_001, False),
        (0.2e6, 1e5, 299_999, True),
    ],
)
def test_a_printed_digit_is_what_counts(page, value, unit, ours, equal):
    count = page.Count(system="", what="", printed="", value=value, unit=unit, ours=lambda: ours, source="")
    assert count.agrees(ours) is equal
