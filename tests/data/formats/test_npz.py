import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ranvier.core.errors import FormatError, UnknownNameError
from ranvier.data.formats import npz

METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA]
KINDS = ["u1", "<i4", ">i8", "f4", "<f8", "?", "c8", "U3", "S2"]


def npy(array, **kwargs):
    file = io.BytesIO()
    np.save(file, array, **kwargs)
    return file.getvalue()


def pack(path, members, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_arrays_come_as_they_were_saved(tmp_path, method, kind):
    array = np.arange(60).reshape(3, 4, 5).astype(kind)
    path = pack(tmp_path / "a.npz", {"a.npy": npy(array), "b.npy": npy(np.asfortranarray(array))}, method)
    for got in npz.read(path).values():
        assert got.dtype == array.dtype
        np.testing.assert_array_equal(got, array)


@given(array=hnp.arrays(st.sampled_from([np.uint8, np.int64, np.float32]), hnp.array_shapes(min_dims=0, min_side=0)))
def test_what_numpy_writes_is_read(tmp_path_factory, array):
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    for save in (np.savez, np.savez_compressed):
        save(path, a=array)
        got = npz.read(path)["a"]
        assert got.shape == array.shape
        assert got.tobytes() == array.tobytes()


@pytest.mark.parametrize("method", METHODS)
def test_large_members_are_unpacked_in_pieces(tmp_path, method):
    noise = np.random.default_rng(0).integers(0, 256, 1_000_000, np.uint8)
    arrays = {"noise.npy": npy(noise), "even.npy": npy(np.zeros(3_000_000, np.uint8))}
    got = npz.read(pack(tmp_path / "a.npz", arrays, method))
    np.testing.assert_array_equal(got["noise"], noise)
    assert got["even"].shape == (3_000_000,)
    assert not got["even"].any()


def test_only_the_arrays_asked_for_are_read(tmp_path):
    path = pack(tmp_path / "a.npz", {"a.npy": npy(np.arange(3)), "broken.npy": b"nothing"})
    assert list(npz.read(path, ["a"])) == ["a"]
    assert npz.names(path) == ["a", "broken"]


def test_a_name_that_is_not_there_lists_near_ones(tmp_path):
    path = pack(tmp_path / "a.npz", {"train_x.npy": npy(np.arange(3))})
    with pytest.raises(UnknownNameError, match=r"a known array \(train_x\), got 'trian_x'. Did you mean 'train_x'"):
        npz.read(path, ["trian_x"])


def test_an_array_may_be_written_to(tmp_path):
    array = npz.read(pack(tmp_path / "a.npz", {"a.npy": npy(np.arange(3))}))["a"]
    array[0] = 7
    assert array[0] == 7


def test_objects_are_refused_with_the_reason(tmp_path):
    path = pack(tmp_path / "a.npz", {"a.npy": npy(np.array([{}, []], object), allow_pickle=True)})
    with pytest.raises(
        FormatError, match=r"member 'a.npy': expected an array of numbers or text, got dtype '\|O'.*code"
    ):
        npz.read(path)
