"""The trainer: batches in, rule asked for gradients, weights moved, everything written so that it can go on anywhere.

A step depends on the weights, the batch and the number of the step only: batches come by epoch and number, random
choices (dropout) from a seed of the step, learning rates from a pure function. So a training that was killed and
resumed from its newest checkpoint ends with the same bits as one that ran through.
"""

import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError, DataError, NonFiniteError, ShapeError
from ranvier.core.rule import Loss, Rule
from ranvier.core.seeds import derive
from ranvier.core.system import Watcher
from ranvier.runs import Run
from ranvier.train import average
from ranvier.train.activity import total_spikes
from ranvier.train.callbacks import Callback, Epoch
from ranvier.train.config import Train
from ranvier.train.evaluate import Judgement, autocast, decide, evaluate, is_classes
from ranvier.train.interrupts import Interrupts
from ranvier.train.loader import Loader
from ranvier.train.progress import Progress, from_tree, to_tree
from ranvier.train.ranks import Ranks
