"""Lempel-Ziv complexity, against the published parsings and an independent counter."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ranvier.core.errors import ShapeError
from ranvier.data.trains import bernoulli, markov, markov_entropy
from ranvier.measure import lempel_ziv, normalised_lempel_ziv


def trains(*words):
    return torch.tensor([[int(symbol) for symbol in word] for word in words], dtype=torch.float32).T


def kaspar_schuster(bits):
    """Count words with the scan of Kaspar and Schuster 1987, which compares symbol by symbol."""
    n, count, start, reach, longest, place = len(bits), 1, 1, 1, 1, 0
    if n == 1:
        return 1
    while True:
        if bits[place + reach - 1] == bits[start + reach - 1]:
            reach += 1
            if start + reach > n:
                return count + 1
        else:
            longest = max(reach, longest)
            place += 1
            if place == start:
                count, start = count + 1, start + longest
                if start + 1 > n:
                    return count
                place, reach, longest = 0, 1, 1
            else:
                reach = 1


@pytest.mark.parametrize(
    ("word", "count"),
    [("0000000000000000", 2), ("1111", 2), ("0101010101010101", 3), ("0001101001000101", 6), ("0", 1), ("01", 2)],
)
def test_published_parsings(word, count):
    assert lempel_ziv(trains(word)).tolist() == [count]


@given(st.lists(st.integers(0, 1), min_size=1, max_size=200))
def test_it_counts_what_the_scan_of_kaspar_and_schuster_counts(bits):
    assert lempel_ziv(torch.tensor(bits)[:, None]).item() == kaspar_schuster(bits)


def test_trains_are_counted_one_by_one_whatever_their_shape_and_values():
    drawn = torch.randint(0, 2, (50, 3, 4), generator=torch.Generator().manual_seed(1))
    counts = lempel_ziv(drawn * 7.5)
    assert counts.shape == (3, 4)
    assert counts.dtype == torch.int64
    assert counts[1, 2] == kaspar_schuster(drawn[:, 1, 2].tolist())
    assert lempel_ziv(torch.zeros(5, 0)).shape == (0,)


def test_long_trains_come_to_the_entropy_rate_from_above():
    random = torch.Generator().manual_seed(0)
    fair = normalised_lempel_ziv(bernoulli(500.0, (10_000, 4), generator=random))
    assert ((fair > 0.98) & (fair < 1.10)).all()
    rare = normalised_lempel_ziv(bernoulli(100.0, (10_000, 4), generator=random))
    assert (rare - 0.469).abs().max() < 0.06
    for p in (0.1, 0.9):
        remembering = normalised_lempel_ziv(markov(p, p, (10_000, 4), generator=random))
        assert (remembering - markov_entropy(p, p)).abs().max() < 0.06
        assert markov_entropy(p, p) == pytest.approx(0.469, abs=1e-3)


def test_a_train_without_steps_is_refused():
    with pytest.raises(
        ShapeError, match=r"^lempel_ziv: expected trains \(T, ...\) of at least one step, got \(0, 3\)\.$"
    ):
        lempel_ziv(torch.zeros(0, 3))
    with pytest.raises(ShapeError, match="at least two steps"):
        normalised_lempel_ziv(torch.zeros(1, 3))


def test_markov_trains_have_the_rate_and_memory_of_their_chain():
    seen = markov(0.05, 0.2, (20_000, 20), generator=torch.Generator().manual_seed(3)).numpy()
    assert seen.mean() == pytest.approx(0.2, abs=0.01)
    centred = seen - seen.mean()
    for lag in (1, 3):
        correlation = (centred[lag:] * centred[:-lag]).mean() / centred.var()
        assert correlation == pytest.approx(0.75**lag, abs=0.02)
    assert np.isin(seen, (0, 1)).all()
