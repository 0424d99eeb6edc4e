import contextlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ranvier.core.errors import FormatError
from ranvier.report import schema
from ranvier.report.schema import Confusion, Frames, Raster, Results, Sample, Trace


def test_results_survive_a_round_trip_through_plain_json(results, tmp_path):
    path = results.write(tmp_path)
    json.loads(path.read_text(), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert Results.read(path) == results


def test_results_cannot_be_changed(results):
    with pytest.raises(ValidationError, match="frozen"):
        results.title = "other"


def test_frames_keep_their_pixels_up_to_the_largest():
    values = np.arange(2 * 2 * 3 * 4).reshape(2, 2, 3, 4).astype(float)
    array = Frames.of(values).array()
    assert array.shape == (2, 2, 3, 4)
    assert array.max() == 255
    np.testing.assert_allclose(array / 255 * 47, values, atol=0.5 * 47 / 255 + 1e-9)


def test_frames_of_nothing_are_black():
    assert Frames.of(np.zeros((1, 1, 2, 2))).array().sum() == 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Confusion(class_names=("a", "b"), counts=((1, 0),)), "expected 2 rows of 2 counts"),
        (lambda: Confusion(class_names=("a",), counts=((-1,),)), "greater than or equal to 0"),
        (lambda: Frames(steps=1, channels=1, height=2, width=2, pixels="AAAA"), "expected 4 bytes of pixels, got 3"),
        (lambda: Frames(steps=1, channels=1, height=1, width=3, pixels="A?AA"), "not base64"),
        (lambda: Raster(layer="a", num_neurons=1, neurons=(0,), row=(1,), step=(0,)), "row 1 is not among the 1"),
        (lambda: Raster(layer="a", num_neurons=1, neurons=(0,), row=(0,), step=()), "as many rows as steps"),
        (
            lambda: Sample(steps=2, rasters=(Raster(layer="a", num_neurons=1, neurons=(0,), row=(0,), step=(2,)),)),
            "after the last of 2 steps",
        ),
        (lambda: Sample(steps=2, scores=((1.0,), (1.0, 2.0))), "as many scores"),
        (lambda: Trace(layer="a", neuron=0, v=(0.0, 1.0), spikes=(2,)), "after the last of 2 steps"),
        (lambda: Trace(layer="a", neuron=0, v=(float("nan"),)), "finite number"),
        (lambda: Results(title="x" * 201), "at most 200"),
        (lambda: Results(title="x", surprise=1), "Extra inputs"),
    ],
)
def test_inconsistent_results_are_refused(make, words):
    with pytest.raises(ValidationError, match=words):
        make()


def test_a_broken_file_is_refused_with_its_path_and_field(results, tmp_path):
    path = results.write(tmp_path)
    content = json.loads(path.read_text())
    content["layers"][1]["activity"]["rate"] = 2.0
    path.write_text(json.dumps(content))
    with pytest.raises(FormatError, match=r"results.json: layers.1.activity.rate: expected .* less than or equal to 1"):
        Results.read(path)
    path.write_text('{"title": "x", "headlines": [{"label": "a", "value": NaN}]}')
    with pytest.raises(FormatError, match=r"results.json: headlines.0.value: .* finite number"):
        Results.read(path)


def test_a_file_larger_than_the_limit_is_not_even_read(results, tmp_path, monkeypatch):
    monkeypatch.setattr(schema, "MAX_BYTES", 1 << 20)
    path = tmp_path / "results.json"
    with path.open("wb") as file:
        file.truncate((1 << 20) + 1)
    with pytest.raises(FormatError, match=r"expected at most 1 MiB, got 1048577 bytes"):
        Results.read(path)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_altered_bytes_give_a_format_error_or_valid_results_and_nothing_else(results, tmp_path_factory, data):
    content = bytearray(results.model_dump_json(exclude={"samples"}).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("altered") / "results.json"
    path.write_bytes(bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))]))
    with contextlib.suppress(FormatError):  # any other error fails the test
        assert isinstance(Results.read(path), Results)


def test_deep_nesting_is_refused(tmp_path):
    path = tmp_path / "results.json"
    path.write_text('{"title": ' + "[" * 100_000)
    with pytest.raises(FormatError, match="results"):
        Results.read(path)
