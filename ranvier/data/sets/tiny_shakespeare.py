"""Tiny Shakespeare: 1.1 million characters of Shakespeare's plays, to try language models on.

Source: Karpathy 2015, "The Unreasonable Effectiveness of Recurrent Neural Networks", github.com/karpathy/char-rnn.
"""

from ranvier.data.download import RemoteFile
from ranvier.data.sets.source import Source, Split, absent, check_split, obtain
from ranvier.data.sets.texts import Text, read_text

_FILE = "tinyshakespeare.txt"
TRAIN_FRACTION = 0.9
SOURCE = Source(
    name="tiny_shakespeare",
    title="Tiny Shakespeare",
    kind="text",
    files=(
        RemoteFile(
            url="https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
            name=_FILE,
            bytes=1_115_394,
            sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        ),
    ),
    licence="public domain text",
    citation="Karpathy 2015, char-rnn",
    split="none official; the first nine tenths train, the rest test",
    folder="text",
    unpacked=("input.txt",),
)


def load(split: Split = "train", *, download: bool = False) -> Text:
    """Load a part of the text from RANVIER_DATA (``text/tinyshakespeare.txt`` or ``input.txt``) or the cache.

    Raises: DataError if it is nowhere and ``download`` is False; FormatError if it is no text.
    """
    check_split(SOURCE, split)
    path = obtain(SOURCE, "input.txt", download=False) or obtain(SOURCE, _FILE, download=download)
    if path is None:
        raise absent(SOURCE, _FILE)
    content = read_text(path).content
    border = int(TRAIN_FRACTION * len(content))
    return Text(content[:border] if split == "train" else content[border:])
