import io
import json

import pytest

from ranvier.data import download


def test_the_embedded_sample_is_found_where_nothing_else_is(shell):
    found = {line["name"]: line["found"] for line in json.loads(shell("data", "list", "--json").stdout)}
    assert found["nmnist"] == "embedded sample"
    assert found["mnist"] == ""


def test_a_folder_of_ranvier_data_is_found(shell, tmp_path, monkeypatch):
    (tmp_path / "all" / "mnist").mkdir(parents=True)
    (tmp_path / "all" / "mnist" / "mnist.npz").write_text("x")
    monkeypatch.setenv("RANVIER_DATA", str(tmp_path / "all"))
    page = shell("data", "list").stdout
    assert str(tmp_path / "all" / "mnist") in page
    assert "CC BY-SA 4.0" in page


def test_a_folder_that_holds_other_files_is_not_found(shell, tmp_path, monkeypatch):
    for name in ("mnist", "nmnist"):
        (tmp_path / "all" / name / "raw_bin").mkdir(parents=True)
        (tmp_path / "all" / name / "raw_bin" / "60001_label7.bin").write_text("x")
    (tmp_path / "all" / "nmnist" / "Train").mkdir()  # and no recordings in it
    monkeypatch.setenv("RANVIER_DATA", str(tmp_path / "all"))
    found = {line["name"]: line["found"] for line in json.loads(shell("data", "list", "--json").stdout)}
    assert found["nmnist"] == "embedded sample"
    assert found["mnist"] == ""


def test_half_of_the_official_files_are_not_a_set(shell, tmp_path, monkeypatch):
    (tmp_path / "all" / "mnist").mkdir(parents=True)
    monkeypatch.setenv("RANVIER_DATA", str(tmp_path / "all"))

    def found():
        return {line["name"]: line["found"] for line in json.loads(shell("data", "list", "--json").stdout)}["mnist"]

    for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"):
        assert found() == ""
        (tmp_path / "all" / "mnist" / f"t10k-{kind}.gz").write_text("x")
        (tmp_path / "all" / "mnist" / f"train-{kind}").write_text("x")  # unpacked is as good
    assert found() == str(tmp_path / "all" / "mnist")


def test_fetching_an_unknown_set_lists_near_ones(shell):
    result = shell("data", "fetch", "nmist")
    assert result.exit_code == 2
    assert "got 'nmist'. Did you mean 'nmnist'" in result.stderr


def test_fetching_what_must_be_got_by_hand_says_where(shell, tmp_path):
    for name, words in (
        ("dvs_gesture", "get DvsGesture.tar.gz at https://"),
        ("har_wisdm", "docs/data-sets.md says how"),
    ):
        result = shell("data", "fetch", name)
        told = " ".join(result.stderr.split())
        assert result.exit_code == 2
        assert "got a set to be got by hand" in told
        assert words in told
        assert f"ranvier/{name}" in "".join(told.split())


def test_the_list_tells_licence_and_size_of_every_set(shell):
    lines = json.loads(shell("data", "list", "--json").stdout)
    assert len(lines) >= 43
    assert all(line["licence"] and line["split"] and line["citation"] for line in lines)
    sizes = {line["name"]: line["bytes"] for line in lines}
    assert (sizes["cifar100"], sizes["har_wisdm"], sizes["dvs_gesture"]) == (168_513_733, 3_171_177, None)


def test_a_download_that_fails_says_so_and_one_that_works_says_where(shell, tmp_path, monkeypatch):
    class Response(io.BytesIO):
        status = 200

        @property
        def headers(self):
            return {"Content-Length": str(len(self.getvalue()))}

    monkeypatch.setattr(download, "_open", lambda request: Response(b"other bytes"))
    result = shell("data", "fetch", "nmnist")
    assert result.exit_code == 2
    assert "DataError" in result.stderr
    assert "md5 20959b8e626244a1b502305a9e6e2031" in result.stderr
    monkeypatch.setattr(download, "_verify", lambda file, part: None)
    result = shell("data", "fetch", "nmnist", "--json")
    folder = tmp_path / "cache" / "ranvier" / "nmnist"
    assert json.loads(result.stdout) == [str(folder / "Train.zip"), str(folder / "Test.zip")]
    assert (folder / "Train.zip").read_bytes() == b"other bytes"


@pytest.mark.parametrize("words", [("data",), ("data", "rm")])
def test_data_without_a_known_verb_is_refused(shell, words):
    assert shell(*words).exit_code == 2
