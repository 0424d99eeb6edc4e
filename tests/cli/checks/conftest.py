"""Systems of a few lines, in modules of their own, so that the processes that measure can import them."""

import os
import sys

import pytest

from ranvier import systems

SOURCE = """
from dataclasses import dataclass, replace
import os, signal, sys, time
from pathlib import Path
from ranvier.core.claim import Claim, Fast
from ranvier.core.errors import ConfigError, DataError
from ranvier.systems.training.stbp import SYSTEM as STBP

@dataclass(frozen=True, slots=True, kw_only=True)
class Coin:
    bias: float = 0.9

def toss(config, seed, progress):
    with open("tosses", "a") as log:
        print(config.bias, seed, file=log)
    progress(0.5, "tossing")
    return {"heads": config.bias + 0.01 * seed, "tosses": 100}

def die(config, seed, progress):
    os.kill(os.getpid(), signal.SIGKILL)

def lack(config, seed, progress):
    raise DataError("coins", expected="a coin", got="none", mend="Mint one.")

def stumble(config, seed, progress):
    raise ZeroDivisionError("dropped the coin")

def nan(config, seed, progress):
    return {"heads": float("nan")}

def chat(config, seed, progress):
    print('{"figures": {"heads": 7}}', flush=True)
    return toss(config, seed, progress)

def count_threads(config, seed, progress):
    import torch

    return {"heads": config.bias, "threads": torch.get_num_threads()}

base = dict(sentence="A loaded coin shows heads.", measure=toss, passes=lambda m: m["heads"] > 0.8,
            config=Coin(), control=Coin(bias=0.5), published={"heads": "91 %", "coins": "3"})
SYSTEM = replace(STBP, name=__name__, claim=Claim(**{**base, **dict(CHANGES)}))
"""


@pytest.fixture
def coin(tmp_path, monkeypatch):
    """Give a function that makes a system; its claim is changed by keywords, in Python words."""
    home = tmp_path / "modules"
    home.mkdir()
    monkeypatch.syspath_prepend(str(home))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")]))
    known = {}
    monkeypatch.setattr(systems, "_MODULES", known)

    def make(name, **changes):
        words = ", ".join(f"{key}={value}" for key, value in changes.items())
        path = home / f"{name}.py"
        monkeypatch.delitem(sys.modules, name, raising=False)
        path.write_text(SOURCE.replace("CHANGES", words))
        known[name] = name

    return make
