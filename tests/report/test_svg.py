import base64
import io

import numpy as np
import pytest
from matplotlib.image import imread

from ranvier.report.svg import Scale, el, figure, legend, path, png, text, ticks


def test_text_and_attributes_are_escaped():
    assert str(el("text", "<script>", title='"><b>')) == '<text title="&#34;&gt;&lt;b&gt;">&lt;script&gt;</text>'


def test_elements_nest_without_being_escaped_twice():
    assert str(el("g", el("line", x1=1.0), "a & b")) == '<g><line x1="1"/>a &amp; b</g>'


def test_names_of_attributes_follow_svg():
    assert str(el("path", class_="line", stroke_width=1.25, fill=None)) == '<path class="line" stroke-width="1.25"/>'


def test_a_figure_says_what_it_shows():
    made = str(figure(10, 20, "loss & more", text(1, 2, "a")))
    assert made.startswith('<svg viewBox="0 0 10 20" role="img" class="chart"><title>loss &amp; more</title>')


def test_a_path_goes_through_its_points():
    assert str(path([(0, 0), (1.5, 2)], class_="line")) == '<path d="M0 0L1.5 2" class="line" fill="none"/>'


def test_a_scale_maps_its_ends_and_survives_no_span():
    scale = Scale(10, 20, 0, 100)
    assert (scale(10), scale(15), scale(20)) == (0, 50, 100)
    assert Scale(1, 1, 0, 100)(1) == 50


@pytest.mark.parametrize(("lo", "hi"), [(0, 1), (0, 360), (-3.2, 7.9), (0.993, 0.9991), (0, 1e-7), (1e9, 3e9)])
def test_ticks_are_round_few_and_inside(lo, hi):
    found = ticks(lo, hi)
    assert 2 <= len(found) <= 7
    assert all(lo - 1e-9 * (hi - lo) <= tick <= hi + 1e-9 * (hi - lo) for tick in found)
    steps = np.diff(found)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-6)
    mantissa = steps[0] / 10 ** np.floor(np.log10(steps[0]) + 1e-9)
    assert min(abs(mantissa - m) for m in (1, 2, 2.5, 5, 10)) < 1e-6


def test_ticks_of_no_span_are_the_value():
    assert ticks(3, 3) == [3]
    assert ticks(0, float("inf")) == [0]


def test_a_legend_names_each_line():
    made = str(legend([("train", "c1"), ("<test>", "c2")], 0, 10))
    assert ">train<" in made
    assert "&lt;test&gt;" in made


def test_a_png_is_read_back_by_another_decoder():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 4), dtype=np.uint8)
    address = png(pixels)
    head, _, body = address.partition(",")
    assert head == "data:image/png;base64"
    read = imread(io.BytesIO(base64.b64decode(body)), format="png")
    np.testing.assert_array_equal(np.round(read * 255).astype(np.uint8), pixels)
