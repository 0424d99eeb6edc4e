import re

import pytest
import torch
from torch import nn

import ranvier.nn as rn
from ranvier.core.errors import ConfigError, ShapeError


def settled(norm, generator):
    """Give a norm statistics and scales that are far from those it starts with."""
    with torch.no_grad():
        norm.running_mean.normal_(generator=generator)
        norm.running_var.uniform_(0.5, 3, generator=generator)
        for p in norm.parameters():
            p.normal_(generator=generator)
    return norm.eval()


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(4, 6, 3, groups=2), (3, 2, 4, 7, 7)),
        (nn.Conv2d(4, 6, 3, bias=False), (3, 2, 4, 7, 7)),
        (nn.Conv1d(4, 6, 3), (3, 2, 4, 7)),
        (nn.Conv3d(4, 6, 1), (3, 2, 4, 2, 2, 2)),
        (nn.Linear(4, 6), (3, 2, 4)),
    ],
    ids=str,
)
def test_the_merged_layer_equals_layer_and_norm(layer, shape, seeded):
    norm = settled(rn.TdBN(6, v_th=0.5, alpha=0.7), seeded)
    x = torch.randn(shape, generator=seeded)
    merged = rn.merge(layer, norm)
    expected = rn.Sequential(layer, norm)(x)
    torch.testing.assert_close(rn.Sequential(merged)(x), expected, rtol=0, atol=1e-5)
    assert expected.abs().max() > 0.1
    assert type(merged) is type(layer)
    assert not torch.equal(merged.weight, layer.weight)


@pytest.mark.parametrize("affine", [True, False])
def test_a_plain_batch_norm_merges_too(affine, seeded):
    layer, norm = nn.Conv2d(2, 3, 3), settled(nn.BatchNorm2d(3, affine=affine), seeded)
    x = torch.randn(2, 2, 5, 5, generator=seeded)
    torch.testing.assert_close(rn.merge(layer, norm)(x), norm(layer(x)), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "norm", "kind", "text"),
    [
        (nn.ConvTranspose2d(2, 3, 3), rn.TdBN(3), ConfigError, "that is not transposed, got ConvTranspose2d."),
        (nn.ReLU(), rn.TdBN(3), ConfigError, "merge: expected a linear layer or a convolution"),
        (nn.Linear(2, 3), nn.LayerNorm(3), ConfigError, "a batch norm with running statistics, got LayerNorm."),
        (
            nn.Linear(2, 3),
            nn.BatchNorm1d(3, track_running_stats=False),
            ConfigError,
            "running statistics, got BatchNorm1d",
        ),
        (nn.Linear(2, 3), rn.TdBN(4), ShapeError, "merge: expected a norm of 3 features, got 4."),
    ],
)
def test_what_cannot_be_merged_is_refused(layer, norm, kind, text):
    with pytest.raises(kind, match=re.escape(text)):
        rn.merge(layer, norm)
