import numpy as np
import pytest
import torch
from torch import nn

from ranvier.core.errors import ConfigError
from ranvier.train import LAMB, SGD, Adamax, AdamW


def parameters():
    return [
        nn.Parameter(torch.tensor([[1.0, -2.0]], dtype=torch.float64)),
        nn.Parameter(torch.tensor([3.0], dtype=torch.float64)),
    ]


def steps(optimiser, params, gradients):
    for gradient in gradients:
        for p in params:
            p.grad = torch.full_like(p, gradient)
        optimiser.step()


def test_adamw_is_the_algorithm_of_its_paper_and_decays_matrices_only():
    params = parameters()
    config = AdamW(lr=0.1, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.3)
    steps(config.build(params), params, [0.5, -1.0, 2.0])
    for p, w, decay in zip(params, ([1.0, -2.0], [3.0]), (0.3, 0.0), strict=True):
        w = np.array(w)
        m = s = 0.0
        for t, g in enumerate([0.5, -1.0, 2.0], start=1):  # algorithm 2 of arXiv 1711.05101
            m, s = 0.8 * m + 0.2 * g, 0.9 * s + 0.1 * g * g
            w = w - 0.1 * decay * w - 0.1 * (m / (1 - 0.8**t)) / (np.sqrt(s / (1 - 0.9**t)) + 1e-6)
        np.testing.assert_allclose(p.detach().flatten(), w, rtol=1e-10)


@pytest.mark.parametrize("clip", [False, True])
def test_lamb_is_the_algorithm_of_its_paper_and_scales_matrices_only(clip):
    params = parameters()
    config = LAMB(lr=0.1, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.3, clip_trust=clip)
    steps(config.build(params), params, [0.5, -1.0, 2.0])
    for p, w, decay in zip(params, ([1.0, -2.0], [3.0]), (0.3, 0.0), strict=True):
        w = np.array(w)
        m = s = 0.0
        for t, g in enumerate([0.5, -1.0, 2.0], start=1):  # algorithm 2 of arXiv 1904.00962
            m, s = 0.8 * m + 0.2 * g, 0.9 * s + 0.1 * g * g
            u = (m / (1 - 0.8**t)) / (np.sqrt(s / (1 - 0.9**t)) + 1e-6) + decay * w
            trust = np.linalg.norm(w) / np.linalg.norm(u) if decay else 1.0
            w = w - 0.1 * (min(trust, 1.0) if clip else trust) * u
        np.testing.assert_allclose(p.detach().flatten(), w, rtol=1e-10)


def test_adamax_is_the_algorithm_of_its_paper():
    params = parameters()
    steps(Adamax(lr=0.1, betas=(0.8, 0.9), eps=1e-12).build(params), params, [0.5, -1.0, 0.2])
    for p, w in zip(params, ([1.0, -2.0], [3.0]), strict=True):
        w = np.array(w)
        m = u = 0.0
        for t, g in enumerate([0.5, -1.0, 0.2], start=1):  # algorithm 2 of arXiv 1412.6980
            m, u = 0.8 * m + 0.2 * g, max(0.9 * u, abs(g))
            w = w - 0.1 / (1 - 0.8**t) * m / u
        np.testing.assert_allclose(p.detach().flatten(), w, rtol=1e-10)


def test_lamb_moves_weights_that_are_all_zero():
    weight = nn.Parameter(torch.zeros(2, 3))
    steps(LAMB(lr=0.1).build([weight]), [weight], [1.0])
    np.testing.assert_allclose(weight.detach(), -0.1, rtol=1e-5)


def test_lamb_without_decay_is_adam():
    ours, theirs = ([nn.Parameter(torch.tensor([[1.0, -2.0]], dtype=torch.float64))] for _ in range(2))
    adam = torch.optim.Adam(theirs, lr=0.1, eps=1e-6)
    for params, optimiser in ((ours, LAMB(lr=0.1, weight_decay=0.0).build(ours)), (theirs, adam)):
        steps(optimiser, params, [0.5, -1.0, 2.0])
    np.testing.assert_allclose(ours[0].detach(), theirs[0].detach(), rtol=1e-12)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_has_momentum_and_decays_matrices_only(nesterov):
    params = parameters()
    steps(SGD(lr=0.1, momentum=0.5, nesterov=nesterov, weight_decay=0.2).build(params), params, [1.0, 2.0])
    for p, w, decay in zip(params, ([1.0, -2.0], [3.0]), (0.2, 0.0), strict=True):
        w, v = np.array(w), 0.0
        for g in (1.0, 2.0):
            g = g + decay * w
            v = 0.5 * v + g
            w = w - 0.1 * (g + 0.5 * v if nesterov else v)
        np.testing.assert_allclose(p.detach().flatten(), w, rtol=1e-12)


def test_a_network_of_one_kind_of_parameter_makes_one_group():
    assert len(AdamW().build(parameters()[:1]).param_groups) == 1
    assert len(SGD().build(parameters()[1:]).param_groups) == 1


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (AdamW, "lr", 0.0), (AdamW, "betas", (0.9, 1.0)), (AdamW, "eps", 0.0), (AdamW, "weight_decay", -1.0),
        (LAMB, "lr", 0.0), (LAMB, "betas", (1.0, 0.9)), (LAMB, "eps", -1.0), (LAMB, "weight_decay", -1.0),
        (Adamax, "lr", 0.0), (Adamax, "betas", (0.9, 1.0)), (Adamax, "eps", 0.0),
        (SGD, "lr", float("nan")), (SGD, "momentum", 1.0), (SGD, "weight_decay", -0.1),
    ],
)  # fmt: skip
def test_numbers_that_make_no_sense_are_refused(kind, name, value):
    with pytest.raises(ConfigError, match=rf"^{kind.__name__}\.{name}: expected "):
        kind(**{name: value})


def test_nesterov_without_momentum_is_a_contradiction():
    with pytest.raises(
        ConfigError, match=r"^SGD\.nesterov: expected momentum > 0 with it, got momentum 0\. Set momentum"
    ):
        SGD(momentum=0.0, nesterov=True)


def test_a_parameter_may_learn_more_slowly():
    matrix, vector, other = (torch.nn.Parameter(torch.ones(shape)) for shape in ((2, 2), (3,), (2, 3)))
    for description in (AdamW(weight_decay=0.1), SGD(weight_decay=0.1)):
        groups = description.build([matrix, vector, other], {matrix: 0.5, vector: 0.5}).param_groups
        found = {id(p): (g["scale"], g["weight_decay"]) for g in groups for p in g["params"]}
        assert found == {id(other): (1.0, 0.1), id(matrix): (0.5, 0.1), id(vector): (0.5, 0.0)}
