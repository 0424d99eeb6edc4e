"""The snippets of README and guides run, in order, as a reader would type them."""

import re
from pathlib import Path

import pytest
import torch

import ranvier as rv
from ranvier.kernels.cpu import machine

PROJECT = Path(rv.__file__).parent.parent
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/events.md",
    "docs/data-sets.md",
    "docs/event-driven-inference.md",
    "docs/learning-rules.md",
]


def snippets(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (PROJECT / page).read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_snippets_of_a_page_run_one_after_the_other(page, capsys):
    names: dict[str, object] = {"__name__": "guide"}
    assert snippets(page)
    for snippet in snippets(page):
        exec(compile(snippet, page, "exec"), names)


@pytest.mark.skipif(machine.absence() is not None, reason="the C++ extension is not built")
def test_the_newcomers_neuron_runs_on_the_compiled_kernel_at_once():
    names: dict[str, object] = {"__name__": "guide"}
    exec(compile(snippets("CONTRIBUTING.md")[0], "CONTRIBUTING.md", "exec"), names)
    planned = rv.kernels.plan(names["ThresholdAdaptingLIF"]())
    x = torch.rand(50, 3, 7, dtype=torch.float64) * 4
    assert rv.kernels.explain(planned, x).executor == "cpu"
    law, ours = rv.kernels.run(planned, x, executor="reference"), rv.kernels.run(planned, x)
    assert 0 < law.outputs["spikes"].mean() < 1
    assert torch.equal(law.outputs["spikes"], ours.outputs["spikes"])
