"""Files that carry code, given to everything that reads a file; run by test_bad_input.py as a program of its own.

Each payload would touch a marker file if anything in it were executed. Prints what was seen as JSON: how many payloads
there are, how many are armed (a careless reader does execute them), reads, refusals and executions.
"""

import argparse
import builtins
import gzip
import hashlib
import io
import json
import lzma
import os
import pickle
import subprocess
import sys
import time
import warnings
import zipfile
from pathlib import Path

import jinja2
import numpy as np
import torch
import yaml

from ranvier import nn, report, systems
from ranvier.core.errors import RanvierError
from ranvier.data import open_events
from ranvier.data.formats import FORMATS, cifar, idx, mat, nmnist_bin, npz, packed, records
from ranvier.data.sets.pack import load_events, load_images
from ranvier.neurons import LIF
from ranvier.runs import Run
from ranvier.runs.files import render
from ranvier.systems import config


class Call:
    """Unpickling this calls a function."""

    def __init__(self, name, *arguments):
        self.name, self.arguments = name, arguments

    def __reduce__(self):
        return _CALLED[self.name], self.arguments


_CALLED = {
    "system": os.system, "popen": subprocess.Popen, "exec": builtins.exec, "eval": builtins.eval, "touch": Path.touch,
}  # fmt: skip


def calls(marker):
    """The ways in which a pickle may touch the marker."""
    python = f"__import__('pathlib').Path({str(marker)!r}).touch()"
    return {
        "system": Call("system", f"touch '{marker}'"),
        "popen": Call("popen", ["touch", str(marker)]),
        "exec": Call("exec", python),
        "eval": Call("eval", python),
        "touch": Call("touch", marker),
    }


def npz_of(data, method):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("a.npy", data)
    return file.getvalue()


def pickles(marker):
    """Payloads that a reader which unpickles would execute."""
    found = {}
    for name, call in calls(marker).items():
        found |= {f"pickle-{name}-{protocol}": pickle.dumps(call, protocol=protocol) for protocol in (0, 2, 4, 5)}
        file = io.BytesIO()
        np.save(file, np.array([call, 1], object), allow_pickle=True)
        found[f"npy-{name}"] = file.getvalue()
        found[f"npz-{name}"] = npz_of(file.getvalue(), zipfile.ZIP_DEFLATED)
        for kind in (True, False):
            file = io.BytesIO()
            torch.save({"weight": call}, file, _use_new_zipfile_serialization=kind)
            found[f"torch-{name}-{'zip' if kind else 'legacy'}"] = file.getvalue()
    bare = pickle.dumps(calls(marker)["touch"])
    file = io.BytesIO()
    np.save(file, np.array([[calls(marker)["touch"]]], object), allow_pickle=True)
    return found | {
        "npz-lzma": npz_of(file.getvalue(), zipfile.ZIP_LZMA),
        "gz": gzip.compress(bare),
        "xz": lzma.compress(bare),
    }


def texts(marker):
    """Payloads of text: YAML tags, Python, shell, templates."""
    python = f"__import__('pathlib').Path({str(marker)!r}).touch()"
    head = f"{{'descr': '<i8', 'fortran_order': False, 'shape': ({python},), }}\n".encode()
    found = {
        "yaml-apply": f"epochs: !!python/object/apply:os.system ['touch {marker}']",
        "yaml-apply-top": f"!!python/object/apply:os.system ['touch {marker}']",
        "yaml-eval": f'epochs: !!python/object/apply:eval ["{python}"]',
        "yaml-new": "epochs: !!python/object/new:type\n  args: ['z', !!python/tuple [], {extend: !!python/name:exec }]\n"
        f'  listitems: "{python}"\n',
        "yaml-key": f"? !!python/object/apply:os.system ['touch {marker}']\n: 3",
        "yaml-list": f"channels: [!!python/object/apply:os.system ['touch {marker}'], 3]",
        "yaml-tuple": f"channels: !!python/tuple [!!python/object/apply:os.system ['touch {marker}']]",
        "python": python,
        "shell": f"#!/bin/sh\ntouch '{marker}'\n",
        "template": "{{ cycler.__init__.__globals__.os.system('touch " + str(marker) + "') }}",
    }
    bytes_ = {name: text.encode() for name, text in found.items()}
    return bytes_ | {"header": b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little") + head}


def careless(name, data):
    """Read a payload as a careless program would."""
    if name.startswith("yaml"):
        yaml.unsafe_load(data)
    elif name.startswith(("npy", "npz")):
        loaded = np.load(io.BytesIO(data), allow_pickle=True)
        list(loaded.values()) if name.startswith("npz") else loaded
    elif name.startswith("torch"):
        torch.load(io.BytesIO(data), weights_only=False)
    elif name.startswith("pickle"):
        pickle.loads(data)
    elif name in ("gz", "xz"):
        pickle.loads({"gz": gzip, "xz": lzma}[name].decompress(data))
    elif name == "python":
        exec(data)
    elif name == "header":
        eval(data[10:])
    elif name == "shell":
        subprocess.run(["sh", "-c", data], check=True)
    elif name == "template":
        jinja2.Template(data.decode()).render()


def checkpoint(run, path, data):
    """Read a checkpoint one of whose files is the payload, with a manifest that vouches for it."""
    home = run / "checkpoints" / "step-000000001"
    home.mkdir(parents=True, exist_ok=True)
    names = ("tensors.safetensors", "state.json")
    (home / names[0]).write_bytes(data if path == names[0] else b"\x02\0\0\0\0\0\0\0{}")
    (home / names[1]).write_bytes(data if path == names[1] else b'{"metrics_bytes": 0, "tree": {}}\n')
    told = [(name, (home / name).read_bytes()) for name in names]
    files = {name: {"bytes": len(b), "sha256": hashlib.sha256(b).hexdigest()} for name, b in told}
    body = {"format": 1, "step": 1, "files": files}
    whole = render({**body, "sha256": hashlib.sha256(render(body)).hexdigest()})
    (home / "manifest.json").write_bytes(data if path == "manifest.json" else whole)
    Run(folder=run, name="x", config={}).resume()


def page(run, data, *, quoted):
    """Write the report of a run whose files quote the payload, or are it."""
    text = data.decode("latin1")
    told = {
        "config.json": {"name": text[:100], "config": {"a": text}},
        "results.json": {"title": text[:100] or "x", "summary": text[:1000]},
        "environment.json": {"command": text},
    }
    for file, value in told.items():
        (run / file).write_bytes(json.dumps(value).encode() if quoted else data)
    report.write(run)


def readers(home):
    """All that reads a file: {name: function of the payload}."""

    def of(read):
        def put(data):
            path = home / "file"
            path.write_bytes(data)
            read(path)

        return put

    system = systems.load("stbp")
    net = nn.Sequential(LIF())
    run = home / "run"
    run.mkdir()
    found = {
        "npz": of(npz.read), "packed": of(packed.read), "idx": of(idx.read), "bin": of(nmnist_bin.read),
        "mat": lambda data: mat.parse(data, ("a",)), "records": lambda data: records.parse(data, ("a",)),
        "cifar": of(cifar.read), "cifar archive": of(lambda path: cifar.read_archive(path, cifar.TEST)),
        "events": of(lambda path: load_events(path, size=(34, 34))),
        "images": of(lambda path: load_images(path, images="train_x", labels="train_y", classes=("0",))),
        "options": of(lambda path: config.read(path, system.config, system="stbp")),
        "option": lambda data: config.override(system.config, ["channels=[" + data.decode("latin1")]),
        "results": of(report.Results.read), "stream": of(net.stream(batch=1).load),
    }  # fmt: skip
    for mode in ("strict", "repair"):
        found[f"recording, {mode}"] = of(lambda path, mode=mode: open_events(path, mode=mode).read())
    for known in FORMATS:
        found[f"recording, {known.name}"] = of(lambda path, known=known: open_events(path, format=known).read())
    for name in ("tensors.safetensors", "state.json", "manifest.json"):
        found[f"checkpoint {name}"] = lambda data, name=name: checkpoint(run, name, data)
    for quoted in (True, False):
        found["report of files that quote it" if quoted else "report of it"] = lambda data, quoted=quoted: page(
            run, data, quoted=quoted
        )

    def opened(data):
        (run / "config.json").write_bytes(data)
        Run.open(run)

    def metrics(data):
        (run / "metrics.jsonl").write_bytes(data + b"\n")
        try:
            Run(folder=run, name="x", config={}).metrics()
        finally:
            (run / "metrics.jsonl").unlink()

    return found | {"run": opened, "metrics": metrics}


def executed(marker):
    """Tell whether the marker is there, and take it away."""
    if not marker.exists():
        return False
    marker.unlink()
    return True


def main() -> None:
    """Give every payload to every reader."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    marker, home = folder / "executed", folder / "home"
    home.mkdir()
    files = pickles(marker) | texts(marker)
    seen = {"payloads": len(files), "armed": 0, "readers": 0, "reads": 0, "refused": 0, "executed": 0, "faults": []}
    given = readers(home)
    seen["readers"] = len(given)
    for name, data in files.items():
        for reader, read in given.items():
            seen["reads"] += 1
            try:
                read(data)
            except RanvierError:
                seen["refused"] += 1
            except Exception as error:
                seen["faults"].append(f"{name} to {reader}: {type(error).__name__}: {error}")
            seen["executed"] += executed(marker)
    time.sleep(1)  # a process that was started may need a moment
    seen["executed"] += executed(marker)
    for name, data in files.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            careless(name, data)
        until = time.monotonic() + 5
        while not marker.exists() and time.monotonic() < until:
            time.sleep(0.01)
        if executed(marker):
            seen["armed"] += 1
        else:
            seen["faults"].append(f"{name} is harmless")
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main()
