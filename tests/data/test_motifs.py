"""Motifs and sums of two."""

import pytest
import torch

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.data.adding import Adding
from ranvier.data.loader import Encoded
from ranvier.data.motifs import Motifs


def test_without_loss_and_noise_samples_of_a_class_are_one_pattern():
    found = Motifs(num=6, classes=3, loss=0.0, noise=0.0)
    assert [found[i][1] for i in range(6)] == [0, 1, 2, 0, 1, 2]
    assert torch.equal(found[1][0], found[4][0])
    assert not torch.equal(found[0][0], found[1][0])
    other = Motifs(num=6, classes=3, loss=0.0, noise=0.0, part="test")
    assert torch.equal(found[2][0], other[2][0])


def test_shares_of_lost_and_added_spikes_are_as_asked():
    plain = Motifs(num=200, classes=1, loss=0.0, noise=0.0)[0][0]
    samples = torch.stack([Motifs(num=200, classes=1, loss=0.3, noise=0.05)[i][0] for i in range(200)])
    assert plain.mean().item() == pytest.approx(0.15, abs=0.04)
    assert samples[:, plain == 0].mean().item() == pytest.approx(0.05, abs=0.005)
    # A lost spike comes back as noise in one of 20 cases.
    assert samples[:, plain == 1].mean().item() == pytest.approx(0.7 + 0.3 * 0.05, abs=0.02)
    assert not torch.equal(samples[0], samples[1])
    assert not torch.equal(samples[0], Motifs(num=1, classes=1, loss=0.3, noise=0.05, part="test")[0][0])


def digits(count=20):
    """Sample i is full of the number i; its label is i."""
    return Encoded([torch.full((3, 2), float(i)) for i in range(count)], list(range(count)))


def test_a_pair_is_two_digits_in_a_row_and_the_label_their_sum_modulo_languages():
    pairs = Adding(digits=digits(), num=300, seed=1)
    labels = set()
    for i in range(300):
        sample, label = pairs[i]
        first, second = int(sample[0, 0]), int(sample[3, 0])
        assert sample.shape == (6, 2)
        assert torch.equal(sample, torch.tensor([first] * 3 + [second] * 3).float()[:, None].expand(6, 2))
        assert label == first % 10 + second % 10
        labels.add(label)
    assert labels == set(range(19))


def test_the_seed_decides_the_pairs():
    one, same, other = (Adding(digits=digits(), num=20, seed=s) for s in (1, 1, 2))
    assert all(torch.equal(one[i][0], same[i][0]) for i in range(20))
    assert not all(torch.equal(one[i][0], other[i][0]) for i in range(20))
    with pytest.raises(IndexError):
        one[20]


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(ConfigError, match=r"^Motifs\.steps: expected at least 1, got 0\.$"):
        Motifs(num=1, steps=0)
    with pytest.raises(ConfigError, match=r"^Motifs\.loss: expected a share in \[0, 1\], got 2\.$"):
        Motifs(num=1, loss=2)
    with pytest.raises(ConfigError, match=r"^Adding\.num: expected at least 1 pair, got 0\.$"):
        Adding(digits=digits(), num=0)
    with pytest.raises(ShapeError, match=r"^Adding\.digits: expected at least one sample, got none\.$"):
        Adding(digits=digits(0), num=1)
