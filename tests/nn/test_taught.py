import torch
from torch import nn

import ranvier.nn as rn
from ranvier.neurons import LIF


class TwoHeads(nn.Linear):
    def forward(self, x):
        y = super().forward(x)
        return torch.stack([y, -y], -2) if self.training else y


def build(teacher):
    return rn.Taught(rn.Sequential(nn.Linear(4, 6), LIF(tau_m=2.0), TwoHeads(6, 3)), teacher)


def plain():
    return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))


def test_in_training_the_teachers_logits_of_the_mean_input_stand_behind_the_students():
    net, x = build(plain()).train(), torch.randn(7, 2, 4, generator=torch.Generator().manual_seed(0))
    y = net(x)
    assert y.shape == (7, 2, 3, 3)
    assert torch.equal(y[:, :, :2], net.student(x))
    for step in y[:, :, 2]:
        assert torch.equal(step, net.teacher(x.mean(0)))


def test_in_evaluation_the_student_answers_alone():
    net, x = build(plain()).eval(), torch.randn(7, 2, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(net(x), net.student(x))


def test_a_teacher_that_sees_time_is_shown_all_of_it():
    teacher = rn.Sequential(nn.Linear(4, 3), LIF(tau_m=2.0))
    net, x = build(teacher).train(), torch.randn(7, 2, 4, generator=torch.Generator().manual_seed(0)) * 5
    assert torch.equal(net(x)[:, :, 2], teacher(x))
    assert teacher(x).sum() > 0


def test_the_teacher_is_never_trained_nor_set_to_training():
    net = build(plain()).train()
    before = {name: value.clone() for name, value in net.teacher.state_dict().items()}
    net(torch.randn(7, 2, 4, generator=torch.Generator().manual_seed(0))).square().sum().backward()
    assert net.student.training
    assert not net.teacher.training
    assert not net.teacher[1].training
    assert all(p.grad is None for p in net.teacher.parameters())
    assert all(p.grad is not None for p in net.student.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.teacher.state_dict().items())
