import re

import pytest
import torch

from ranvier.core.errors import ConfigError, DtypeError, ShapeError
from ranvier.nn import decode
from ranvier.nn.encode import delta


def test_on_and_off_count_the_crossings():
    x = torch.tensor([0.0, 0.9, 2.5, 2.2, 0.4]).unsqueeze(1)
    s = delta(x, threshold=1.0)
    assert s.shape == (5, 1, 2)
    assert s[:, 0, 1].tolist() == [0, 0, 2, 0, 0]
    assert s[:, 0, 0].tolist() == [0, 0, 0, 0, 1]


def test_a_start_of_its_own_shows_the_first_value():
    x = torch.full((3, 1), 2.0)
    assert delta(x, threshold=1.0).sum() == 0
    assert delta(x, threshold=1.0, start_B=torch.zeros(1))[:, 0, 1].tolist() == [2, 0, 0]


@pytest.mark.parametrize("threshold", [0.1, 0.5])
def test_decoding_follows_the_signal_to_within_a_threshold(seeded, threshold):
    x = torch.randn(2000, 3, 4, generator=seeded, dtype=torch.float64).cumsum(0) * 0.3
    s = delta(x, threshold=threshold)
    back = decode.delta(s, threshold=threshold, start_B=x[0])
    assert back.shape == x.shape
    assert (back - x).abs().max() < threshold * (1 + 1e-9)
    assert s[:, :, 0].sum() > 100
    assert s[:, :, 1].sum() > 100


@pytest.mark.parametrize(
    ("x", "threshold", "kind", "text"),
    [
        (torch.zeros(3, 1), 0.0, ConfigError, "encode.delta.threshold: expected a threshold > 0, got 0.0."),
        (torch.zeros(0, 1), 1.0, ShapeError, "encode.delta: expected at least one time step"),
        (torch.zeros(3, 1, dtype=torch.int64), 1.0, DtypeError, "encode.delta: expected a floating input"),
    ],
)
def test_bad_input_is_refused(x, threshold, kind, text):
    with pytest.raises(kind, match=re.escape(text)):
        delta(x, threshold=threshold)
