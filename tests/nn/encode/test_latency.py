import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.nn import decode
from ranvier.nn.encode import latency


def test_the_larger_the_earlier_once():
    s = latency(torch.tensor([1.0, 0.75, 0.5, 0.0]), num_steps=5)
    assert s.argmax(0).tolist() == [0, 1, 2, 4]
    assert s.sum(0).tolist() == [1, 1, 1, 1]


def test_below_the_limit_it_stays_silent():
    s = latency(torch.tensor([0.1, 0.2]), num_steps=5, silent_below=0.15)
    assert s.sum(0).tolist() == [0, 1]
    with pytest.raises(ConfigError, match="silent_below: expected a value in"):
        latency(torch.tensor([0.1]), num_steps=5, silent_below=2.0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_decoding_gives_the_value_back_to_half_a_step(seeded, dtype):
    x = torch.rand(50, 4, generator=seeded).to(dtype)
    back = decode.latency(latency(x, num_steps=17))
    assert back.dtype == dtype
    assert (back.double() - x.double()).abs().max() <= 0.5 / 16 + torch.finfo(dtype).eps


def test_values_on_the_grid_come_back_exactly():
    x = torch.arange(17.0) / 16
    assert torch.equal(decode.latency(latency(x.unsqueeze(0), num_steps=17))[0], x)


def test_one_step_is_enough_to_say_that_there_is_something():
    assert latency(torch.tensor([0.3]), num_steps=1).tolist() == [[1.0]]
