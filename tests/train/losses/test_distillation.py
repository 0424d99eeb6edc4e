import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.train.losses import HardDistillation


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def outputs(*read_outs):
    return torch.randn(6, 5, *read_outs, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("weight", [0.0, 0.5, 0.8])
def test_it_is_the_equation_written_out(weight):
    o, y = outputs(3), np.array([0, 3, 1, 1, 2])
    labels, taught, teacher = (o.numpy()[:, :, part] for part in range(3))
    wanted = 0.9 * np.eye(4)[y] + 0.1 / 4
    first = -(wanted * log_softmax(labels.mean(0))).sum(-1).mean()
    said = teacher.mean(0).argmax(-1)
    second = -log_softmax(taught.mean(0))[np.arange(5), said].mean()
    got = HardDistillation(weight=weight, label_smoothing=0.1)(o, torch.tensor(y))
    np.testing.assert_allclose(got, (1 - weight) * first + weight * second, rtol=1e-12)


def test_in_evaluation_it_is_the_cross_entropy_with_the_labels():
    o, y = outputs(), np.array([0, 3, 1, 1, 2])
    expected = -log_softmax(o.numpy().mean(0))[np.arange(5), y].mean()
    np.testing.assert_allclose(HardDistillation()(o, torch.tensor(y)), expected, rtol=1e-12)


def test_the_teacher_gets_no_gradient():
    o = outputs(3).requires_grad_()
    HardDistillation()(o, torch.tensor([0, 3, 1, 1, 2])).backward()
    assert o.grad[:, :, 0].abs().min() > 0
    assert o.grad[:, :, 1].abs().min() > 0
    assert o.grad[:, :, 2].abs().max() == 0


def test_the_mean_of_the_two_read_outs_decides():
    o = torch.zeros(1, 2, 3, 2)
    o[0, 0] = torch.tensor([[1.0, 0.0], [0.0, 3.0], [9.0, 0.0]])  # labels say 0, taught says 1 more strongly
    o[0, 1] = torch.tensor([[4.0, 0.0], [0.0, 3.0], [0.0, 9.0]])
    assert HardDistillation().decide(o).tolist() == [1, 0]
    assert HardDistillation().decide(o[:, :, 0]).tolist() == [0, 0]


def test_outputs_of_another_width_are_refused():
    with pytest.raises(
        ShapeError, match=r"expected two read-outs and the teacher's logits \(T, B, 3, K\), got \(6, 5, 2, 4\)\. Train"
    ):
        HardDistillation()(outputs(2), torch.zeros(5, dtype=torch.int64))


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("weight", 1.5, "a share in [0, 1]"),
        ("label_smoothing", 1.0, "a share in [0, 1)"),
    ],
)
def test_options_that_make_no_sense_are_refused(name, value, text):
    with pytest.raises(ConfigError) as caught:
        HardDistillation(**{name: value})
    assert f"HardDistillation.{name}: expected {text}" in str(caught.value)
