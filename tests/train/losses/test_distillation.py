import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.train.losses import HardDistillation


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def outputs(width):
    return torch.randn(6, 5, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("weight", [0.0, 0.5, 0.8])
def test_it_is_the_equation_written_out(weight):
    o, y = outputs(12), np.array([0, 3, 1, 1, 2])
    labels, taught, teacher = np.split(o.numpy(), 3, axis=-1)
    wanted = 0.9 * np.eye(4)[y] + 0.1 / 4
    first = -(wanted * log_softmax(labels.mean(0))).sum(-1).mean()
    said = teacher.mean(0).argmax(-1)
    second = -log_softmax(taught.mean(0))[np.arange(5), said].mean()
    got = HardDistillation(num_classes=4, weight=weight, label_smoothing=0.1)(o, torch.tensor(y))
    np.testing.assert_allclose(got, (1 - weight) * first + weight * second, rtol=1e-12)


def test_in_evaluation_it_is_the_cross_entropy_with_the_labels():
    o, y = outputs(4), np.array([0, 3, 1, 1, 2])
    expected = -log_softmax(o.numpy().mean(0))[np.arange(5), y].mean()
    np.testing.assert_allclose(HardDistillation(num_classes=4)(o, torch.tensor(y)), expected, rtol=1e-12)


def test_the_teacher_gets_no_gradient():
    o = outputs(12).requires_grad_()
    HardDistillation(num_classes=4)(o, torch.tensor([0, 3, 1, 1, 2])).backward()
    assert o.grad[..., :4].abs().min() > 0
    assert o.grad[..., 4:8].abs().min() > 0
    assert o.grad[..., 8:].abs().max() == 0


def test_the_mean_of_the_two_read_outs_decides():
    o = torch.zeros(1, 2, 6)
    o[0, 0] = torch.tensor([1.0, 0.0, 0.0, 3.0, 9.0, 0.0])  # labels say 0, taught says 1 more strongly
    o[0, 1] = torch.tensor([4.0, 0.0, 0.0, 3.0, 0.0, 9.0])
    assert HardDistillation(num_classes=2).decide(o).tolist() == [1, 0]
    assert HardDistillation(num_classes=2).decide(o[..., :2]).tolist() == [0, 0]


def test_outputs_of_another_width_are_refused():
    with pytest.raises(
        ShapeError, match=r"HardDistillation: expected 4 outputs, or 12 with the teacher's, got 8\. Train the"
    ):
        HardDistillation(num_classes=4)(outputs(8), torch.zeros(5, dtype=torch.int64))


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("weight", 1.5, "a share in [0, 1]"),
        ("label_smoothing", 1.0, "a share in [0, 1)"),
        ("num_classes", 0, "at least 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(name, value, text):
    with pytest.raises(ConfigError) as caught:
        HardDistillation(**{"num_classes": 4, name: value})
    assert f"HardDistillation.{name}: expected {text}" in str(caught.value)
