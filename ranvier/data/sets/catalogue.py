"""All data sets: what they are called, and the facts of each."""

from importlib import import_module

from ranvier.data.sets.source import Source

NAMES = (
    "asl_dvs",
    "audio_denoise",
    "braille_tactile",
    "celegans",
    "cifar10",
    "cifar100",
    "cifar10dvs",
    "dailydvs200",
    "dsec_det",
    "dvs128_objects",
    "dvs_gesture",
    "dvslip",
    "ecg_mitbih",
    "eeg_bonn",
    "emnist",
    "fashion_mnist",
    "fsdd",
    "gen1",
    "har_wisdm",
    "hardvs",
    "kmnist",
    "mnist",
    "mnist1d",
    "modelnet10_voxels",
    "natural_images",
    "ncaltech101",
    "ncars",
    "neural_hippocampus",
    "neural_human_mtl",
    "neural_intracellular",
    "neural_zebrafish_calcium",
    "nmnist",
    "omniglot",
    "optical_flow",
    "place_recognition",
    "robot_speech_commands",
    "shd",
    "speech_commands",
    "ssc",
    "tables",
    "timeseries",
    "tiny_shakespeare",
    "wikitext2",
)  # fmt: skip


def sources() -> dict[str, Source]:
    """Give the facts of every data set, by name."""
    return {name: import_module(f"ranvier.data.sets.{name}").SOURCE for name in NAMES}


def place(source: Source) -> str:
    """Say where a data set lies: a folder, "embedded sample", or nothing if it is nowhere.

    Raises: DataError if RANVIER_DATA names something that is no folder.
    """
    if (home := source.place()) is not None:
        return str(home)
    return "embedded sample" if hasattr(import_module(f"ranvier.data.sets.{source.name}"), "sample") else ""


def size_in_words(source: Source) -> str:
    """Give the size of a download, or "?" where the publisher names none."""
    num = source.bytes
    if num is None:
        return "?"
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if num >= scale:
            return f"{num / scale:.1f} {unit}"
    return f"{num / 1e3:.0f} kB"


def table() -> str:
    """Write the catalogue as a Markdown table, the one in ``docs/data-sets.md``."""
    rows = [
        "| name | data set | kind | split | size | how to get it | licence |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for source in sources().values():
        way = "`fetch`" if not source.by_hand else "a pack" if source.packs else "by hand"
        cells = (
            f"`{source.name}`",
            source.title,
            source.kind,
            source.split,
            size_in_words(source),
            way,
            source.licence,
        )
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"
