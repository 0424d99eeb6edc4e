"""Losses of (T, B, K) outputs, one a file."""

from ranvier.train.losses.among import Among
from ranvier.train.losses.count import CountMSE
from ranvier.train.losses.count_cross_entropy import CountCrossEntropy
from ranvier.train.losses.distillation import HardDistillation
from ranvier.train.losses.latency import Latency
from ranvier.train.losses.membrane import MembraneCrossEntropy
from ranvier.train.losses.objective import Objective
from ranvier.train.losses.rate import RateCrossEntropy
from ranvier.train.losses.smooth_l1 import SmoothL1
from ranvier.train.losses.softmax_sum import SoftmaxSum
from ranvier.train.losses.tempotron import TempotronLoss
from ranvier.train.losses.tet import TET

__all__ = [
    "TET",
    "Among",
    "CountCrossEntropy",
    "CountMSE",
    "HardDistillation",
    "Latency",
    "MembraneCrossEntropy",
    "Objective",
    "RateCrossEntropy",
    "SmoothL1",
    "SoftmaxSum",
    "TempotronLoss",
]
