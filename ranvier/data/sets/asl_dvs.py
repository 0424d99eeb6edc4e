"""ASL-DVS: 24 letters of the American sign language, shown by hand before a DAVIS240, 100 ms each.

Source: Bi, Chadha, Abbas, Bourtsoulatze and Andreopoulos 2019, ICCV, "Graph-based Object Classification for
Neuromorphic Vision Sensing".
"""

import re

import numpy as np

from ranvier.core.errors import FormatError, ShapeError
from ranvier.data.download import RemoteFile
from ranvier.data.events import Events
from ranvier.data.formats import mat
from ranvier.data.sets.recordings import Clip, Recordings, gather, unnest
from ranvier.data.sets.source import Source, ensure

CLASSES = tuple("abcdefghiklmnopqrstuvwxy")  # j and z are movements
SIZE = (180, 240)
_PAGE = "https://github.com/PIX2NVS/NVS2Graph"
SOURCE = Source(
    name="asl_dvs",
    title="ASL-DVS",
    kind="events",
    files=(RemoteFile(url=_PAGE, name="ICCV2019_DVS_dataset.zip"),),
    licence="see the publisher's page",
    citation="Bi, Chadha, Abbas, Bourtsoulatze and Andreopoulos 2019, ICCV",
    split="none official; `recordings.stratified` makes one",
    splits=(),
    unpacked=("**/[a-y]/*.mat", "**/Yin*.zip"),
    by_hand=f"It lies on a drive that packs it anew each time, so no checksum holds: see {_PAGE}.",
)
_INNER = re.compile(r"(?:.*/)?(?P<name>[^/]+\.zip)")
_FILE = re.compile(rf"(?:.*/)?([{''.join(CLASSES)}])/([^/]*?([0-9]*)\.mat)")


def load(*, download: bool = False) -> Recordings:
    """Load the recordings ``a/a_0001.mat`` and so on, from folders of letters or from zips that hold them.

    The files count rows from below; here they count from above. Times count from the first event.
    Raises: DataError if it is nowhere; FormatError, when a recording is read, for a broken file.
    """
    ensure(SOURCE, download=download)
    unnest(SOURCE, SOURCE.files[0].name, _INNER)
    found = gather(SOURCE, _FILE, such_as="a/a_0001.mat")
    found.sort(key=lambda pair: (pair[0][1], int(pair[0][3] or 0), pair[0][2]))
    return Recordings(
        clips=[clip for _, clip in found],
        read=_read,
        labels=np.array([CLASSES.index(match[1]) for match, _ in found], np.int64),
        ids=np.array([int(match[3] or 0) for match, _ in found], np.int64),
        classes=CLASSES,
        size=SIZE,
    )


def _read(clip: Clip) -> Events:
    columns = mat.parse(clip.read(), ("ts", "x", "y", "pol"), where=clip.name)
    t, x, y, polarity = (columns[name].reshape(-1) for name in ("ts", "x", "y", "pol"))
    for name, column in (("ts", t), ("x", x), ("y", y), ("pol", polarity)):
        whole_numbers = column.dtype.kind != "f" or bool(((np.rint(column) == column) & (abs(column) < 1 << 53)).all())
        if column.shape != t.shape or not whole_numbers:
            got = f"{column.dtype} {column.shape}"
            raise FormatError(f"{clip.name}: array {name!r}", expected=f"{t.size} whole numbers", got=got)
    whole = [column.astype(np.int64) for column in (t, x, y, polarity)]
    if t.size:
        whole[0] -= whole[0][0]
    try:
        return Events.of(whole[0], whole[1], SIZE[0] - 1 - whole[2], whole[3], size=SIZE)
    except ShapeError as error:
        raise FormatError(f"{clip.name}: {error.where}", expected=error.expected, got=error.got) from error
