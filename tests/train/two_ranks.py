"""One of the processes that test_ranks.py starts with torchrun: trains with the others, rank 0 leaves what it saw."""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from conftest import Blobs, build, trainer

from ranvier.core.errors import NonFiniteError
from ranvier.rules import OTTT
from ranvier.runs import Run
from ranvier.runs.files import render
from ranvier.train import Ranks, joined

SETTINGS = {
    "uneven shares": {"train": Blobs(size=7), "accumulate": 2},
    "fewer samples than ranks": {"train": Blobs(size=1)},
    "updates within a batch": {"train": Blobs(size=3), "rule": OTTT(update="step")},
    "and fewer samples than ranks": {"train": Blobs(size=1), "rule": OTTT(update="step")},
    "average": {"train": Blobs(size=4), "ema": 0.8, "clip": 0.1},
}


def train(name: str, run: Run | None = None) -> dict[str, list[float]]:
    """Train with the settings of a name; return the weights."""
    ranks = Ranks.here()
    net = build(seed=ranks.rank, dropout=0.0, norm=False)  # the weights of rank 0 are the ones that count
    trainer(net, epochs=2, **SETTINGS[name]).fit(run)
    return {name: tensor.double().flatten().tolist() for name, tensor in net.state_dict().items()}


def exploding(outputs_TBK: torch.Tensor, targets_B: torch.Tensor) -> torch.Tensor:
    """A loss that is infinite on rank 1 alone."""
    return outputs_TBK.sum() * (float("inf") if Ranks.here().rank == 1 else 1.0)


def main(folder: Path) -> None:
    """Train every setting, once more from where a run stands, and once into an error that only one rank sees."""
    torch.set_num_threads(1)
    with joined() as ranks:
        if ranks.first:
            Run.create(folder / "run", name="ranks", config={})
        ranks.wait()
        run = Run.open(folder / "run")
        found = {name: train(name) for name in SETTINGS}
        train("average", run)
        ranks.wait()
        found["resumed"] = train("average", run)
        try:
            trainer(build(norm=False), loss=exploding).fit()
        except NonFiniteError as error:
            found["error"] = str(error)
        found["any"] = [ranks.any(ranks.rank == 1), ranks.any(False)]
        found["world"] = ranks.world
        found["norm"] = norm(ranks)
        (folder / f"rank-{ranks.rank}.json").write_bytes(render(found))


def norm(ranks: Ranks) -> list[float]:
    """Train with a batch norm; return its running mean, which must be the same on every rank."""
    net = build(dropout=0.0)
    trainer(net, epochs=1).fit()
    return net[1].running_mean.tolist()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
