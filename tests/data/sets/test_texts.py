import zipfile

import pytest
import torch

from ranvier.core.errors import ConfigError, DataError, FormatError, ShapeError
from ranvier.data.sets import tiny_shakespeare, wikitext2
from ranvier.data.sets.texts import Text


@pytest.mark.parametrize("name", ["tinyshakespeare.txt", "input.txt"])
def test_the_first_nine_tenths_are_for_training(home, name):
    (home("text") / name).write_text("0123456789" * 2)
    train, test = tiny_shakespeare.load("train"), tiny_shakespeare.load("test")
    assert train.content == "012345678901234567"
    assert test.content == "89"
    assert train.content + test.content == "0123456789" * 2


def test_a_text_has_an_alphabet_codes_and_bytes():
    text = Text("añab")
    assert (text.alphabet, len(text)) == ("abñ", 4)
    assert text.codes("abñ").tolist() == [0, 2, 0, 1]
    assert text.to_bytes().tolist() == list("añab".encode())
    assert text.to_bytes().dtype == torch.uint8
    assert Text("").to_bytes().tolist() == Text("").codes("ab").tolist() == []
    with pytest.raises(ShapeError, match="Text, character 1: expected characters of an alphabet of 2, got 'ñ'"):
        text.codes("ab")


def test_what_is_no_text_is_refused_with_its_place(home):
    (home("text") / "input.txt").write_bytes(b"abc\xff")
    with pytest.raises(FormatError, match="input.txt: byte 3: expected a text in UTF-8"):
        tiny_shakespeare.load()


def test_the_archive_is_read_in_place(home):
    folder = home("text")
    with zipfile.ZipFile(folder / "wikitext-2-v1.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for part in ("train", "valid", "test"):
            packed.writestr(f"wikitext-2/wiki.{part}.tokens", f" = {part} = \n")
    for split, part in (("train", "train"), ("validation", "valid"), ("test", "test")):
        assert wikitext2.load(split).content == f" = {part} = \n"
    (folder / "wikitext2_valid.txt").write_text("a file comes first")
    assert wikitext2.load("validation").content == "a file comes first"
    assert [p.name for p in folder.iterdir() if p.is_dir()] == []


def test_an_archive_of_something_else_is_refused(home):
    with zipfile.ZipFile(home("text") / "wikitext-2-v1.zip", "w") as packed:
        packed.writestr("readme", "x")
    with pytest.raises(FormatError, match="expected the member wikitext-2/wiki.train.tokens, got 1 others"):
        wikitext2.load()


def test_three_splits_are_named(home):
    with pytest.raises(ConfigError, match="expected 'train', 'validation' or 'test', got 'valid'"):
        wikitext2.load("valid")


def test_the_real_texts_are_read(real):
    real("text", "tinyshakespeare.txt", "wikitext2_valid.txt")
    whole = tiny_shakespeare.load("train").content + tiny_shakespeare.load("test").content
    assert len(whole) == 1_115_394
    assert whole.startswith("First Citizen:")
    assert len(Text(whole).alphabet) == 65
    assert len(wikitext2.load("validation").content.splitlines()) == 3760
    assert len(wikitext2.load("test").content.splitlines()) == 4358
    with pytest.raises(DataError, match="wiki.train.tokens or wikitext2_train.txt or wikitext-2-v1.zip"):
        wikitext2.load("train")
