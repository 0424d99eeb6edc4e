import pytest
import torch

from ranvier.core.errors import ShapeError
from ranvier.nn import decode

S = torch.tensor([[0.0, 0, 1], [1, 0, 1], [1, 0, 0]]).unsqueeze(1)


def test_the_first_spike_counts_and_silence_is_later_than_all():
    assert decode.first_spike(S)[0].tolist() == [1, 3, 0]


def test_latency_turns_times_into_values():
    assert decode.latency(S)[0].tolist() == [0.5, 0.0, 1.0]
    assert decode.latency(S[2:])[0].tolist() == [1.0, 0.0, 0.0]


def test_an_empty_sequence_is_refused():
    with pytest.raises(ShapeError, match="decode.first_spike: expected at least one time step"):
        decode.latency(S[:0])
