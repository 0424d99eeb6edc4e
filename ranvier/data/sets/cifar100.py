"""CIFAR-100: 60,000 colour pictures of 100 kinds of things in 20 groups, 32 x 32.

Source: Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images".
"""

from ranvier.data import places
from ranvier.data.download import RemoteFile
from ranvier.data.formats import cifar
from ranvier.data.sets.pack import ImageSet, image_set
from ranvier.data.sets.source import Source, Split, absent, check_split, obtain

_ARCHIVE = "cifar-100-binary.tar.gz"
SOURCE = Source(
    name="cifar100",
    title="CIFAR-100",
    files=(
        RemoteFile(
            url=f"https://www.cs.toronto.edu/~kriz/{_ARCHIVE}",
            name=_ARCHIVE,
            bytes=168_513_733,
            md5="03b5dce01913d631647c71ecec9e9cb8",
        ),
    ),
    licence="no formal licence; free for research, cite the report",
    citation="Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images",
    split="50,000 train, 10,000 test",
    unpacked=("cifar-100-binary/train.bin", "train.bin"),
)
_FINE = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
    castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
    elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
    man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
    pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
    skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
    tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""
_COARSE = """
    aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices
    household_furniture insects large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes
    large_omnivores_and_herbivores medium_mammals non-insect_invertebrates people reptiles small_mammals trees
    vehicles_1 vehicles_2
"""

CLASSES, GROUPS = tuple(_FINE.split()), tuple(_COARSE.split())


def load(split: Split = "train", *, coarse: bool = False, download: bool = False) -> ImageSet:
    """Load CIFAR-100 from RANVIER_DATA or the cache, else download it; ``coarse``: labelled by the 20 groups.

    Looked for are the official files ``train.bin`` and ``test.bin``, then the official archive.

    Returns: images (N, 3, 32, 32) uint8, RGB, with labels.
    Raises: DataError if it is nowhere and ``download`` is False; FormatError for broken files.
    """
    check_split(SOURCE, split)
    file = f"{split}.bin"
    layout, names = (cifar.COARSE, GROUPS) if coarse else (cifar.FINE, CLASSES)
    if (path := places.find(SOURCE.name, f"cifar-100-binary/{file}", file)) is not None:
        return image_set(*cifar.read(path, layout), names, where=str(path))
    archive = obtain(SOURCE, _ARCHIVE, download=download)
    if archive is None:
        raise absent(SOURCE, f"cifar-100-binary/{file}", _ARCHIVE)
    return image_set(*cifar.read_archive(archive, (file,), layout), names, where=str(archive))
