"""Letters: B rows, N features in, R subspace neurons."""

import numpy as np
import pytest
import torch
from torch import nn

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.kernels.packed import pack
from ranvier.nn import Sequential, Subspace, WSConv2d, guard, guarded
from ranvier.nn.subspace import presynaptic

pytestmark = pytest.mark.usefixtures("one_thread")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def ellipsoid(num=100, seed=0):
    """Return the eigenvalues and eigenvectors (as columns) of a covariance: ten large ones, and the rest."""
    rng = np.random.default_rng(seed)
    values = np.concatenate([np.linspace(5, 3, 10), np.linspace(0.5, 0.05, num - 10)])
    vectors, _ = np.linalg.qr(rng.standard_normal((num, num)))
    return values, vectors, rng


def largest_angle(rows_RN, columns_NR):
    """Return the largest principal angle between two subspaces, degrees."""
    one, _ = np.linalg.qr(rows_RN.double().numpy().T)
    two, _ = np.linalg.qr(columns_NR)
    cosine = np.linalg.svd(one.T @ two, compute_uv=False).min()
    return np.degrees(np.arccos(min(cosine, 1.0)))


def teach(subspace, values, vectors, rng, batches=500):
    for _ in range(batches):
        x_BN = rng.standard_normal((64, len(values))) * np.sqrt(values) @ vectors.T
        subspace.learn(torch.from_numpy(x_BN).float())


@pytest.mark.parametrize(("lr", "degrees"), [(0.01, 12), (0.001, 5)])
def test_it_learns_the_principal_subspace_as_an_orthonormal_basis(lr, degrees):
    values, vectors, rng = ellipsoid()
    subspace = Subspace(100, 10, lr=lr)
    subspace.grow(10, generator())
    assert largest_angle(subspace.lateral, vectors[:, :10]) > 45
    teach(subspace, values, vectors, rng)
    assert largest_angle(subspace.lateral, vectors[:, :10]) < degrees
    gram = subspace.lateral @ subspace.lateral.T
    assert float((gram - torch.eye(10)).norm()) < 0.1


def test_new_rows_learn_what_frozen_ones_leave_over_and_those_keep_every_bit():
    values, vectors, rng = ellipsoid()
    subspace = Subspace(100, 12)
    subspace.grow(5, generator())
    subspace.lateral[:5] = torch.from_numpy(vectors[:, :5].T)
    subspace.freeze()
    subspace.grow(5, generator())
    before = subspace.lateral.clone()
    teach(subspace, values, vectors, rng)
    assert torch.equal(subspace.lateral[:5], before[:5])
    assert torch.equal(subspace.velocity[:5], torch.zeros(5, 100))
    assert largest_angle(subspace.lateral[5:10], vectors[:, 5:10]) < 12
    assert not subspace.lateral[10:].any()


@pytest.mark.parametrize("levels", [None, 40])
def test_learning_is_the_rule_of_the_paper(levels):
    """Oja's subspace rule in float64 numpy, clamped, with momentum, answers anew in each update."""
    rng = np.random.default_rng(1)
    subspace = Subspace(7, 4, lr=0.02, momentum=0.8, iterations=3, levels=levels, largest=5.0).double()
    subspace.grow(2, generator())
    subspace.freeze()
    subspace.grow(2, generator(1))
    h, m = subspace.lateral.numpy().copy(), np.zeros((2, 7))
    for scale in (1.0, 40.0):  # the second is clamped
        x = rng.standard_normal((5, 7)) * scale
        subspace.learn(torch.from_numpy(x))
        for _ in range(3):
            y = x @ h.T
            if levels:
                y = np.rint(np.clip(y, -5, 5) / 5 * levels) / levels * 5
            change = np.clip((y.T @ (x - y @ h) / 5)[2:], -10, 10)
            m = 0.8 * m + 0.2 * change
            h[2:] += 0.02 * m
    np.testing.assert_allclose(subspace.lateral.numpy(), h, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(subspace.velocity.numpy()[2:], m, rtol=1e-9, atol=1e-12)


def test_signed_bursts_still_find_the_subspace():
    values, vectors, rng = ellipsoid()
    subspace = Subspace(100, 10, levels=40)
    subspace.grow(10, generator())
    teach(subspace, values, vectors, rng, batches=300)
    assert largest_angle(subspace.lateral, vectors[:, :10]) < 15
    answers = subspace.answer(torch.randn(3, 100, generator=generator()))
    torch.testing.assert_close(answers * 2, (answers * 2).round())
    assert answers.any()


def test_new_rows_are_orthonormal_and_at_right_angles_to_old_ones():
    subspace = Subspace(30, 30)
    for num in (7, 0, 20, 3):
        subspace.grow(num, generator(num))
    torch.testing.assert_close(subspace.lateral @ subspace.lateral.T, torch.eye(30), atol=1e-5, rtol=0)
    other = Subspace(30, 30)
    other.grow(7, generator(7))
    assert torch.equal(other.lateral[:7], subspace.lateral[:7])


def test_rejecting_takes_the_frozen_subspace_away_and_nothing_else():
    subspace = Subspace(6, 4)
    subspace.grow(2, generator())
    x_BN = torch.randn(5, 6, generator=generator())
    assert torch.equal(subspace.reject(x_BN), x_BN)
    subspace.freeze()
    subspace.grow(2, generator())
    left_BN = subspace.reject(x_BN)
    torch.testing.assert_close(left_BN @ subspace.lateral[:2].T, torch.zeros(5, 2), atol=1e-6, rtol=0)
    torch.testing.assert_close(left_BN @ subspace.lateral[2:].T, x_BN @ subspace.lateral[2:].T)


def test_all_of_its_state_lies_in_the_state_dict():
    values, vectors, rng = ellipsoid()
    subspace, copy = Subspace(100, 10), Subspace(100, 10)
    subspace.grow(4, generator())
    subspace.freeze()
    subspace.grow(6, generator())
    teach(subspace, values, vectors, rng, batches=3)
    copy.load_state_dict(subspace.state_dict())
    assert list(subspace.parameters()) == []
    x_BN = torch.randn(8, 100, generator=generator())
    for one in (subspace, copy):
        one.learn(x_BN)
    assert torch.equal(copy.lateral, subspace.lateral)
    assert torch.equal(copy.velocity, subspace.velocity)


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": (3, 2), "stride": 2, "dilation": (1, 2)},
        {"kernel_size": 3, "padding": "same", "padding_mode": "reflect"},
    ],
)
def test_patches_are_what_a_convolution_multiplies_its_weights_with(options):
    layer = nn.Conv2d(2, 4, **options)
    x_B = torch.randn(3, 2, 7, 6, generator=generator())
    rows = presynaptic(layer, x_B)
    y_BM = rows @ layer.weight.flatten(1).T + layer.bias
    torch.testing.assert_close(y_BM, layer(x_B).flatten(2).transpose(1, 2).flatten(0, 1))


def test_spikes_kept_as_bits_are_unpacked():
    x_B = (torch.rand(3, 9, generator=generator()) < 0.5).float()
    rows = presynaptic(nn.Linear(9, 2), pack(x_B, "bits"))
    assert torch.equal(rows, x_B)


def test_guarded_layers_compute_what_they_did_and_are_found_by_path():
    net = Sequential(guard(nn.Conv2d(2, 3, 3), 4, lr=0.001), nn.Flatten(), nn.Linear(12, 2))
    x_TB = torch.rand(2, 3, 2, 4, 4, generator=generator())
    before = net(x_TB)
    guard(net[2], 12)
    assert torch.equal(net(x_TB), before)
    found = guarded(net)
    assert {path: layer.subspace.num_inputs for path, layer in found.items()} == {"0": 18, "2": 12}
    assert found["0"].subspace.lr == 0.001


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Subspace(4, 5), "Subspace.capacity: expected 1 to 4 rows, got 5."),
        (lambda: Subspace(4, 2, lr=0), "Subspace.lr: expected a rate > 0, got 0."),
        (lambda: Subspace(4, 2, momentum=1.0), "Subspace.momentum: expected a number in [0, 1), got 1.0."),
        (lambda: Subspace(4, 2, iterations=0), "Subspace.iterations: expected at least 1, got 0."),
        (lambda: Subspace(4, 2, levels=0), "Subspace.levels: expected at least 1 up to a number > 0, got 0 up to 20."),
        (lambda: Subspace(4, 2).grow(3, generator()), "Subspace.grow: expected at most 2 more rows, got 3."),
        (lambda: guard(WSConv2d(1, 1, 3), 1), "that applies its weights as they are, got WSConv2d."),
        (lambda: guard(nn.Conv2d(2, 2, 3, groups=2), 1), "guard: expected a convolution of one group, got 2 groups."),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in str(caught.value)


def test_inputs_of_another_width_are_refused():
    with pytest.raises(ShapeError) as caught:
        Subspace(4, 2).learn(torch.zeros(3, 5))
    assert "Subspace.learn: expected (B, 4), B >= 1, got (3, 5)." in str(caught.value)
