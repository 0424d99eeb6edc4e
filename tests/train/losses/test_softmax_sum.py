import numpy as np
import torch

from ranvier.train.losses import SoftmaxSum


def test_it_is_the_cross_entropy_of_the_summed_softmax_written_out():
    o = torch.randn(6, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = np.array([0, 3, 1, 1, 2])
    raised = np.exp(o.numpy())
    votes = (raised / raised.sum(-1, keepdims=True)).sum(0)
    expected = np.mean([np.log(np.exp(m).sum()) - m[k] for m, k in zip(votes, y, strict=True)])
    np.testing.assert_allclose(SoftmaxSum()(o, torch.tensor(y)), expected, rtol=1e-12)


def test_many_steps_that_agree_outvote_one_that_is_loud():
    o = torch.zeros(4, 1, 3)
    o[0, 0, 2] = 100.0
    o[1:, 0, 1] = 2.0
    assert SoftmaxSum().decide(o).tolist() == [1]
    assert o.mean(0).argmax().item() == 2
