"""The sets that are arrays without labels."""

import numpy as np
import pytest

from ranvier.core.errors import ConfigError, DataError, FormatError
from ranvier.data.sets import natural_images, neural_intracellular, place_recognition


def test_a_query_belongs_to_the_reference_of_its_number(home):
    views = np.arange(2 * 64 * 64, dtype=np.uint32).reshape(2, 64, 64).astype(np.uint8)
    pack = {"sped_query": views, "sped_ref": views[::-1].copy(), "sped_index": np.array([3, 7], np.int16)}
    np.savez(home("place_recognition") / place_recognition.PACK, **pack)
    made = place_recognition.load("sped")
    assert made.query.shape == (2, 1, 64, 64)
    np.testing.assert_array_equal(made.reference[::-1, 0], views)
    assert made.frame.tolist() == [3, 7]
    with pytest.raises(FormatError, match="got none named gardens_point_query"):
        place_recognition.load("gardens_point")


def test_views_must_pair(home):
    folder = home("place_recognition")
    pack = {"sped_query": np.zeros((2, 64, 64), np.uint8), "sped_ref": np.zeros((1, 64, 64), np.uint8)}
    np.savez(folder / place_recognition.PACK, **pack, sped_index=np.zeros(2, np.int16))
    with pytest.raises(FormatError, match="arrays of one length, got sped_query of 2, sped_ref of 1"):
        place_recognition.load("sped")
    pack["sped_ref"] = np.zeros((2, 32, 32), np.uint8)
    np.savez(folder / place_recognition.PACK, **pack, sped_index=np.zeros(2, np.int16))
    with pytest.raises(FormatError, match="expected views of uint8 and of one shape"):
        place_recognition.load("sped")


@pytest.mark.parametrize("module", [place_recognition, natural_images, neural_intracellular])
def test_unknown_parts_and_absent_packs_are_errors(home, module):
    with pytest.raises(ConfigError, match="expected a (part|cell): .*, got 'nordland'"):
        module.load("nordland")
    with pytest.raises(DataError, match=r"got none of them. Put them there.*made from github.com/"):
        module.load()


def test_photographs_are_read_as_they_are(home):
    images = np.arange(2 * 6, dtype=np.uint8).reshape(2, 2, 3)
    np.savez(home("natural_images") / natural_images.PACK, kodak=images, serre=images.astype(np.uint16))
    np.testing.assert_array_equal(natural_images.load("kodak"), images)
    with pytest.raises(FormatError, match="serre: expected images of uint8, got uint16"):
        natural_images.load("serre")


def test_sweeps_are_in_millivolts_and_picoamperes(home):
    folder = home("neural_intracellular")
    v, i = np.full((2, 5), -0.065, np.float32), np.full((2, 5), 5e-11, np.float32)
    np.savez(folder / neural_intracellular.PACKS["s1"], v=v, i=i, rate=np.float64(20000))
    made = neural_intracellular.load("s1")
    np.testing.assert_allclose(made.v_ST, -65, rtol=1e-6)
    np.testing.assert_allclose(made.current_ST, 50, rtol=1e-6)
    assert made.dt == 0.05
    np.savez(folder / neural_intracellular.PACKS["s1"], v=v, i=i[:, :3], rate=np.float64(20000))
    with pytest.raises(FormatError, match="as many potentials as currents"):
        neural_intracellular.load("s1")


def test_the_real_places_can_be_recognised_a_little(real):
    real("place_recognition", place_recognition.PACK)
    made = place_recognition.load("sped")

    def normal(views):
        flat = views.reshape(len(views), -1).astype(np.float64)
        flat -= flat.mean(1, keepdims=True)
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)

    best = (normal(made.query) @ normal(made.reference).T).argmax(1)
    recall = (best == np.arange(len(best))).mean()
    assert 0.25 < recall < 0.4  # zero-mean correlation: 31 %
    assert [len(place_recognition.load(part).query) for part in place_recognition.PARTS] == [180, 546, 189]


def test_the_real_photographs_are_natural(real):
    real("natural_images", natural_images.PACK)
    assert [natural_images.load(part).shape for part in natural_images.PARTS] == [(16, 480, 480), (48, 256, 256)]
    image = natural_images.load("kodak")[0].astype(float)
    near = np.corrcoef(image[:, 1:].ravel(), image[:, :-1].ravel())[0, 1]
    far = np.corrcoef(image[:, 100:].ravel(), image[:, :-100].ravel())[0, 1]
    assert near > 0.8
    assert far < near - 0.2


@pytest.mark.parametrize(("cell", "shape", "dt"), [("ca1_pyramidal", (13, 20000), 0.1), ("s1", (10, 23200), 0.05)])
def test_the_real_cells_rest_below_zero_and_spike(real, cell, shape, dt):
    real("neural_intracellular", *neural_intracellular.PACKS.values())
    made = neural_intracellular.load(cell)
    assert made.v_ST.shape == made.current_ST.shape == shape
    assert made.dt == pytest.approx(dt)
    assert -90 < np.median(made.v_ST) < -40
    assert made.v_ST.max() > 0
    assert 10 < np.abs(made.current_ST).max() < 2000
