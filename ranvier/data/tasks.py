"""One set of images made into a sequence of tasks. Letters: N images, C channels, H W space."""

import numpy as np

from ranvier.core.errors import ConfigError
from ranvier.core.seeds import numpy_generator
from ranvier.data.sets.pack import ImageSet


def permuted(images: ImageSet, seed: int, number: int) -> ImageSet:
    """Rearrange the pixels of all images alike: "permuted MNIST" if it is MNIST.

    Task 0 is the images as they are. The order depends on the seed, the number of the task and the size of the images
    alone, so both splits are rearranged alike; all channels of a pixel stay together.

    Source: Goodfellow et al. 2013, arXiv:1312.6211.
    """
    if number == 0:
        return images
    num_images, channels, height, width = images.images.shape
    order = numpy_generator(seed, "permuted", number).permutation(height * width)
    moved = images.images.reshape(num_images, channels, -1)[..., order].reshape(images.images.shape)
    return ImageSet(moved, images.labels, images.classes)


def split(images: ImageSet, num_tasks: int, number: int) -> ImageSet:
    """Choose the images of a task's own classes: "split MNIST" if it is MNIST. Classes are dealt out in order.

    Returns: images of ``len(classes) / num_tasks`` classes; labels from 0, and the names of those classes.
    Raises: ConfigError if the classes do not divide into that many tasks, or there is no such task.
    Source: Zenke, Poole and Ganguli 2017, arXiv:1703.04200.
    """
    each, rest = divmod(len(images.classes), num_tasks) if num_tasks > 0 else (0, 1)
    if rest or not 0 <= number < num_tasks:
        expected = f"a task of a number of tasks that divides {len(images.classes)} classes"
        raise ConfigError("split", expected=expected, got=f"task {number} of {num_tasks}")
    first = number * each
    chosen = np.flatnonzero((images.labels >= first) & (images.labels < first + each))
    return ImageSet(images.images[chosen], images.labels[chosen] - first, images.classes[first : first + each])
