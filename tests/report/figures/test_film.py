import base64
import io
import re

import numpy as np
from matplotlib.image import imread

from ranvier.report.figures.film import LEFT, RIGHT, WIDTH, film, sprite
from ranvier.report.schema import Frames, Raster, Sample


def painted(frames):
    return imread(io.BytesIO(base64.b64decode(sprite(frames).partition(",")[2])), format="png")


def test_on_is_orange_off_is_blue_nothing_is_clear_and_time_runs_to_the_right():
    values = np.zeros((3, 2, 2, 2))
    values[0, 0, 0, 0] = 1  # OFF at step 0, above left
    values[2, 1, 1, 1] = 1  # ON at step 2, below right
    image = painted(Frames.of(values))
    assert image.shape == (2, 6, 4)
    assert np.count_nonzero(image[..., 3]) == 2
    off, on = image[0, 0], image[1, 5]
    assert off[2] > off[0]
    assert on[0] > on[2]


def test_one_channel_is_grey():
    values = np.zeros((1, 1, 1, 2))
    values[0, 0, 0, 1] = 1
    pixel = painted(Frames.of(values))[0, 1]
    assert np.ptp(pixel[:3]) < 0.1
    assert pixel[3] == 1


def raster(*spikes, rows=2):
    row, step = zip(*spikes, strict=True) if spikes else ((), ())
    return Raster(layer="lif", num_neurons=rows, neurons=tuple(range(rows)), row=row, step=step)


def test_a_spike_lies_in_the_column_of_its_step_and_the_row_of_its_neuron():
    made = str(film(Sample(steps=4, rasters=(raster((0, 0), (1, 3)),)), (), key="s"))
    marks = re.search(r'd="(M[^"]*h[^"]*)" class="spikes', made)[1]
    (x0, y0, w0), (x1, y1, _) = [tuple(map(float, re.split("[ h]", m))) for m in marks[1:].split("M")]
    column = (WIDTH - LEFT - RIGHT) / 4
    assert abs(x0 + w0 / 2 - (LEFT + 0.5 * column)) < 0.2
    assert abs(x1 + w0 / 2 - (LEFT + 3.5 * column)) < 0.2
    assert y0 < y1


def test_as_many_marks_as_spikes():
    spikes = [(n, t) for n in range(2) for t in range(50)]
    made = str(film(Sample(steps=50, rasters=(raster(*spikes),)), (), key="s"))
    assert len(re.search(r'd="(M[^"]*)" class="spikes', made)[1].split("M")) - 1 == 100
    assert "100 spikes shown in 1 layers" in made


def test_a_long_film_shows_at_most_twelve_frames():
    frames = Frames.of(np.ones((100, 1, 2, 2)))
    made = str(film(Sample(steps=100, frames=frames), (), key="k"))
    assert 1 < made.count('<use href="#k-sprite"') <= 12
    assert made.count("data:image/png") == 1
    assert "one step in 9" in made


def test_scores_mark_the_true_class_and_a_wrong_answer():
    sample = Sample(steps=2, target=0, predicted=1, scores=((0.0, 1.0, 0.5), (0.0, 1.0, 0.5)))
    made = str(film(sample, ("ant", "bee"), key="s", dt_ms=30.0))
    assert made.count('class="line right"') == 1
    assert made.count('class="line wrong"') == 1
    assert made.count('class="line other"') == 1
    assert "class bee: 1" in made
    assert "class 2: 0.5" in made
    assert "time step (30 ms each)" in made


def test_a_sample_of_nothing_can_be_drawn():
    assert "<svg" in film(Sample(steps=1), (), key="s")
    assert "<svg" in film(Sample(steps=1, rasters=(raster(rows=0),), scores=((1.0,),)), (), key="s")
