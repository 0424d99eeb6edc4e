import json

import pytest
import torch

from ranvier.cli.bench import command, conv_training, lif_layer, recurrent, streaming
from ranvier.cli.bench.workload import Contender
from ranvier.core.errors import DataError

TINY = {
    lif_layer: {"N": 33, "T": 3, "reset": "hard"},
    conv_training: {"T": 2, "B": 2, "c": 2},
    recurrent: {"T": 4, "B": 3, "I": 20, "H": 9, "O": 3, "density": 0.2},
    streaming: {"net": "tiny", "density": 0.1},
}


@pytest.fixture(autouse=True)
def small_machine(monkeypatch):
    """Cases of milliseconds, a machine whose limits are known, and no compiler run."""
    for workload, case in TINY.items():
        monkeypatch.setattr(workload, "CASES", (case,))
    nets = {"tiny": ([("conv", 2, 3), ("fc", 3 * 16, 5)], (2, 8, 8))}
    monkeypatch.setattr(streaming, "NETS", nets)
    figures = {"threads": 1, "copy_gb_s": 10.0, "float32_gflop_s": 100.0, "bfloat16_gflop_s": 200.0}
    monkeypatch.setattr(command, "_machine", lambda watch: figures)
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)


def test_every_workload_gives_rows_with_limit_ratio_and_who_is_absent(shell, tmp_path):
    result = shell("bench", "--rounds", "2", "--json", "--out", tmp_path / "deep" / "bench.json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found == json.loads((tmp_path / "deep" / "bench.json").read_text())
    rows = {(row["workload"], row["operation"]): row for row in found["rows"]}
    assert set(rows) == {
        ("lif-layer", "forward"), ("lif-layer", "training"), ("conv-training", "training"), ("recurrent", "training"),
        ("streaming", "step"),
    }  # fmt: skip
    for row in rows.values():
        assert "ours" in row["contenders"], row
        assert not any("differs from ours" in words for words in row["absent"].values()), row["absent"]
    training = rows["lif-layer", "training"]
    assert training["least_s"] == pytest.approx(20 * 33 * 3 / 10e9)
    assert training["contenders"]["ours"]["times_ours"] == 1.0
    assert {"ours", "torch loop"} <= set(training["contenders"])
    assert training["contenders"]["torch loop"]["median_s"] > 0
    assert found["environment"]["python"]


def test_operations_of_the_convolutions_are_counted_as_anyone_would():
    net = torch.nn.Sequential(
        *[m for m in conv_training._layers(4, torch.nn.ReLU) if not isinstance(m, torch.nn.Linear)]
    )
    total = 0

    def count(module, inputs, output):
        nonlocal total
        total += output.numel() * module.in_channels * 9

    for module in net:
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(count)
    net(torch.zeros(6, 3, 32, 32))
    least = conv_training.least({"T": 2, "B": 3, "c": 4}, "training")
    assert least.float_operations == 3 * 2 * total


def test_people_see_a_table_with_the_fastest_first(shell):
    page = shell("bench", "lif-layer", "--rounds", "1").stdout
    assert "lif-layer N=33 T=3 reset=hard, forward: at least" in page
    assert "of the limit" in page
    assert "a neuron-step" in page


def test_an_unknown_workload_lists_near_ones(shell):
    result = shell("bench", "lif-layr")
    assert result.exit_code == 2
    assert "got 'lif-layr'. Did you mean 'lif-layer'" in result.stderr


def contender(value=1.0, **more):
    return Contender(operations={"step": lambda: None}, results=lambda: (torch.full((3,), value),), **more)


class Bench:
    """A workload made of what a test says."""

    NAME = WORDS = "bench"
    CASES = ({"n": 1},)

    def __init__(self, **others):
        self.others = {"ours": contender, **others}

    def contenders(self, case):
        return self.others


def test_one_whose_results_differ_is_not_timed_and_it_is_said():
    made = command._make(Bench(same=contender, other=lambda: contender(2.0), nan=lambda: contender(float("nan"))), {})
    disagree = command._disagree(made)
    assert set(disagree) == {"other", "nan"}
    assert "its result 0 differs from ours by 1.0e+00" in disagree["other"]


def test_one_that_is_not_installed_or_breaks_leaves_the_others_alone():
    def absent():
        raise ImportError("no module", name="norse")

    def broken():
        raise ValueError("does not like this machine")

    made = command._make(Bench(absent=absent, broken=broken), {})
    assert list(made.contenders) == ["ours"]
    assert made.absent == {
        "absent": "not installed (norse)", "broken": "cannot run here (ValueError: does not like this machine)"
    }  # fmt: skip


def test_a_fault_of_ours_is_not_hidden():
    def broken():
        raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        command._make(Bench(ours=broken), {})

    def refused():
        raise DataError("here", expected="a", got="b")

    with pytest.raises(DataError):
        command._make(Bench(other=refused), {})
