import pytest
import torch

from ranvier.nn import FeedbackLinear, Sequential


@pytest.mark.parametrize("adaptive", [False, True])
def test_the_feedback_has_no_part_in_the_output_and_is_kept_with_the_weights(adaptive):
    layer = FeedbackLinear(5, 3, adaptive=adaptive)
    x = torch.rand(4, 2, 5)
    y = Sequential(layer)(x)
    torch.testing.assert_close(y, x @ layer.weight.T + layer.bias)
    y.sum().backward()
    assert layer.feedback.shape == (5, 3)
    assert layer.feedback.grad is None
    assert "feedback" in layer.state_dict()
    assert ("feedback" in dict(layer.named_parameters())) is adaptive
    assert f"adaptive={adaptive}" in repr(layer)
