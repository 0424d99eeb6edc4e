"""WikiText-2: two million words of Wikipedia's good articles, tokenised, rare words as ``<unk>``.

The publisher's address no longer answers everywhere: then get ``wikitext-2-v1.zip`` from a mirror.
Source: Merity, Xiong, Bradbury and Socher 2016, arXiv:1609.07843.
"""

from ranvier.core.errors import FormatError
from ranvier.data import places
from ranvier.data.download import RemoteFile
from ranvier.data.formats import archive
from ranvier.data.sets.source import Pack, Source, ThreeSplits, absent, check_split, obtain
from ranvier.data.sets.texts import Text, decode, read_text

_ARCHIVE = "wikitext-2-v1.zip"
_PARTS = {"train": "train", "validation": "valid", "test": "test"}
SOURCE = Source(
    name="wikitext2",
    title="WikiText-2",
    kind="text",
    files=(
        RemoteFile(
            url=f"https://s3.amazonaws.com/research.metamind.io/wikitext/{_ARCHIVE}",
            name=_ARCHIVE,
            sha256="92675f1d63015c1c8b51f1656a52d5bdbc33aafa60cc47a218a66e7ee817488c",
            md5="542ccefacc6c27f945fb54453812b3cd",
        ),
    ),
    licence="CC BY-SA 3.0",
    citation="Merity, Xiong, Bradbury and Socher 2016, arXiv:1609.07843",
    split="36,718 lines train, 3,760 validation, 4,358 test",
    splits=("train", "validation", "test"),
    packs=(
        Pack("wikitext2_valid.txt", 1_121_681, "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8"),
        Pack("wikitext2_test.txt", 1_256_449, "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0"),
    ),
    folder="text",
    unpacked=("wikitext-2/wiki.*.tokens",),
)


def load(split: ThreeSplits = "train", *, download: bool = False) -> Text:
    """Load a part from RANVIER_DATA or the cache, else download the archive.

    Looked for in the folder ``text`` are ``wikitext-2/wiki.train.tokens`` and so on, ``wikitext2_train.txt`` and so on,
    then ``wikitext-2-v1.zip``.

    Raises: DataError if it is nowhere and ``download`` is False; FormatError for broken files.
    """
    check_split(SOURCE, split)
    part = _PARTS[split]
    member = f"wikitext-2/wiki.{part}.tokens"
    if (path := places.find(SOURCE.home, member, f"wikitext2_{part}.txt")) is not None:
        return read_text(path)
    packed = obtain(SOURCE, _ARCHIVE, download=download)
    if packed is None:
        raise absent(SOURCE, member, f"wikitext2_{part}.txt", _ARCHIVE)
    entries = archive.directory(packed)
    if member not in entries:
        raise FormatError(str(packed), expected=f"the member {member}", got=f"{len(entries)} others")
    return decode(archive.read(packed, entries[member]), where=f"{packed}: member {member!r}")
