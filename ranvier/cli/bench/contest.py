"""``ranvier bench SYSTEM SYSTEM ...``: trains systems of still images under one recipe, accuracy against energy."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from ranvier import systems
from ranvier.cli.screen import Screen, table

if TYPE_CHECKING:
    from ranvier.systems.vision.contest import Score


def contest(
    names: Sequence[str], options: Sequence[str], screen: Screen, *, neurons: str = "", codes: str = ""
) -> dict[str, Any]:
    """Let systems compete, show how they did, and return it as plain values.

    Args: options: such as "task.source=cifar10", "train.epochs=10", "seeds=[0, 1, 2]". neurons, codes: such as
        "lif,plif": every system competes with each of them; "": with that of the options.
    Raises: UnknownNameError, ConfigError for systems or options that are none.
    """
    from ranvier.systems.config import override, to_plain
    from ranvier.systems.vision.contest import Contest, best, compete

    rules = override(Contest(), options)
    entered = {}
    for name, neuron, code in product(names, neurons.split(","), codes.split(",")):
        chosen = [f"neuron={neuron}"] * bool(neuron) + [f"task.code={code}"] * bool(code)
        label = ", ".join([name, *filter(None, (neuron, code))])
        entered[label] = systems.load(name), override(rules, chosen)
    scores: dict[str, Score] = {}
    with screen.watch("bench") as watch:
        for index, (name, (system, own)) in enumerate(entered.items()):

            def progress(fraction: float, words: str, index: int = index) -> None:
                watch((index + fraction) / len(entered), words)

            scores[name] = compete(system, own, progress)
    ahead = best(scores)
    _show(scores, ahead, screen, f"{rules.task.title}, {rules.train.epochs} epochs, {rules.task.steps} steps")
    found = {
        name: {"parameters": s.parameters, "best": name in ahead, "measured": [dict(m) for m in s.measured]}
        for name, s in scores.items()
    }
    return {"contest": to_plain(rules), "systems": found}


def _show(scores: "Mapping[str, Score]", ahead: Sequence[str], screen: Screen, title: str) -> None:
    shown = table("system", "parameters", "accuracy", "energy", "rate", "", title=title)
    for name, score in sorted(scores.items(), key=lambda item: -item[1].mean("accuracy")):
        values = [measured["accuracy"] for measured in score.measured]
        spread = f"  [{min(values):.3f} .. {max(values):.3f}]" if len(values) > 1 else ""
        shown.add_row(
            name, f"{score.parameters:,}", f"{score.mean('accuracy'):.3f}{spread}",
            f"{score.mean('energy_nj'):,.0f} nJ an image", f"{score.mean('rate'):.3f}",
            "no other is better in both" if name in ahead else "",
        )  # fmt: skip
    screen.show(shown)
    screen.say("Energy: synaptic operations alone, 45 nm; memory traffic is left out.", style="dim")
