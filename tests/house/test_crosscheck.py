"""The committed table of the cross-checks holds what the project promises, and the README shows it."""

from pathlib import Path

import pytest

import ranvier
from crosscheck import table
from ranvier import neurons

PROJECT = Path(ranvier.__file__).parent.parent
ROWS = table.read()
VERSIONS = {"SpikingJelly": "2.0.", "snnTorch": "1.0.", "Norse": "1.1.", "NEST": "3.", "Brian2": "2."}
# How many rows each neuron has with each peer: of equal spikes, and of membranes (read-outs, sub-threshold).
SPIKES = {
    "SpikingJelly": {
        "IF": 2, "LIF": 4, "PLIF": 2, "SynapticLIF": 2, "QIF": 1, "EIF": 1, "IntegerLIF": 1, "ResonateAndFire": 1,
    },
    "snnTorch": {"IF": 6, "LIF": 8, "SynapticLIF": 6},
    "Norse": {
        "IF": 1, "LIF": 2, "SynapticLIF": 1, "SynapticALIF": 1, "ALIF": 1, "RefractoryLIF": 1, "EIF": 1, "AdEx": 1,
        "Izhikevich2007": 1,
    },
    "NEST": {"PscExpLIF": 1, "RefractoryLIF": 1, "Izhikevich2007": 1},
    "Brian2": {"QIF": 1, "EIF": 1, "AdEx": 1, "Izhikevich2007": 1, "HodgkinHuxley": 1},
}  # fmt: skip
MEMBRANES = {
    "SpikingJelly": {"LeakyIntegrator": 1},
    "snnTorch": {"LeakyIntegrator": 1},
    "Norse": {"LeakyIntegrator": 1},
    "NEST": {"LIF": 1, "PscExpLIF": 1, "RefractoryLIF": 1},
    "Brian2": {"LIF": 2, "PscExpLIF": 1},
}


def faults(rows):
    """List what is wrong with a table, in words."""
    found = []
    agree = [row for row in rows if row["expected"] in ("equal", "1e-9")]
    for kind, promised in (("spikes", SPIKES), ("membranes", MEMBRANES)):
        for peer, counts in promised.items():
            for neuron, count in counts.items():
                have = [r for r in agree if (r["peer"], r["neuron"], r["compared"]) == (peer, neuron, kind)]
                if len(have) != count:
                    found.append(f"{peer} {neuron}: {len(have)} rows of {kind}, not {count}")
    for row in agree:
        name = f"{row['peer']} {row['theirs']}, {row['variant']}"
        enough = row["parameter_sets"] >= 20 and row["steps"] >= 1000 and row["neurons"] >= 256
        each = 1 if row["peer"] in ("NEST", "Brian2") else row["parameter_sets"]
        if not enough or row["outputs_compared"] != each * row["steps"] * row["neurons"]:
            found.append(f"{name}: too small")
        if row["mismatches"] != 0:
            found.append(f"{name}: {row['mismatches']} mismatches")
        if not row["version"].startswith(VERSIONS[row["peer"]]) or not row["date"] or not row["environment"]:
            found.append(f"{name}: of an unknown version, day or machine")
        if row["compared"] == "spikes" and not 0.0005 < row["outputs_not_zero"] / row["outputs_compared"] < 0.95:
            found.append(f"{name}: {row['outputs_not_zero']} spikes say nothing")
        # Equal spikes leave the membranes a rounding apart, which the upstroke of a quadratic neuron multiplies.
        if not row["max_membrane_difference"] <= (1e-9 if row["expected"] == "1e-9" else 1e-8):
            found.append(f"{name}: membranes differ by {row['max_membrane_difference']}")
        if not row["median_excursion"] > 0.1:
            found.append(f"{name}: membranes do not move")
    return found


def test_committed_table_holds_every_promised_comparison_without_a_mismatch():
    assert faults(ROWS) == []


@pytest.mark.parametrize("number", [n for n, row in enumerate(ROWS) if row["expected"] in table.AGREE])
def test_a_missing_row_would_be_seen(number):
    assert len(faults(ROWS[:number] + ROWS[number + 1 :])) == 1


@pytest.mark.parametrize(
    "damage",
    [
        {"mismatches": 1}, {"parameter_sets": 19}, {"steps": 999}, {"neurons": 255}, {"outputs_not_zero": 0},
        {"outputs_not_zero": 5_120_000}, {"max_membrane_difference": float("nan")}, {"median_excursion": 0.0},
        {"expected": "another method"}, {"version": "0.9"},
    ],
    ids=str,
)  # fmt: skip
def test_a_damaged_row_would_be_seen(damage):
    whole = next(row for row in ROWS if row["peer"] == "Norse" and row["neuron"] == "LIF")
    others = [row for row in ROWS if row is not whole]
    assert faults([*others, whole]) == []
    assert len(faults([*others, whole | damage])) == 1


def test_every_neuron_made_like_a_peers_is_compared_with_that_peer():
    compared = {(row["peer"].lower(), row["neuron"]) for row in ROWS if row["expected"] in table.AGREE}
    made = {
        (maker.removeprefix("like_"), name)
        for name in neurons.__all__ for maker in dir(getattr(neurons, name)) if maker.startswith("like_")
    }  # fmt: skip
    assert len(made) > 10
    assert made <= compared


def test_what_is_not_expected_to_agree_is_labelled_with_a_reason():
    for row in ROWS:
        assert row["expected"] in ("equal", "1e-9", "another method", "differs by design")
        if row["expected"] in ("another method", "differs by design"):
            assert len(row["note"]) > 40, row
            assert row["mismatches"] > 0, "it agrees after all: expect it to"


def test_rows_lie_in_one_order_and_none_twice():
    keys = [table.key(row) for row in ROWS]
    assert keys == sorted(set(keys))


def test_readme_shows_the_table():
    text = (PROJECT / "README.md").read_text()
    assert text.count("<!-- crosscheck -->") == text.count("<!-- /crosscheck -->") == 1, "README.md lost its marks"
    shown = text.partition("<!-- crosscheck -->")[2].partition("<!-- /crosscheck -->")[0]
    assert shown.strip() == table.markdown(ROWS).strip(), "put the output of crosscheck/table.py between the marks"
