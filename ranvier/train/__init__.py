"""The trainer: loop, losses, schedules, callbacks, precision, ranks. It is handed a rule and knows none by name."""

from ranvier.train import losses
from ranvier.train.activity import Activity
from ranvier.train.callbacks import Advice, BudgetError, Callback, EarlyStop, Epoch, LayerWatch, SpikeBudget
from ranvier.train.config import Saving, Train
from ranvier.train.evaluate import Judgement, evaluate
from ranvier.train.loader import Loader
from ranvier.train.narrow_delays import NarrowDelays
from ranvier.train.optimisers import LAMB, SGD, Adamax, AdamW, Optimiser
from ranvier.train.ranks import Ranks, joined
from ranvier.train.schedules import Constant, Cosine, OneCycle, Schedule, Steps
from ranvier.train.trainer import Outcome, Trainer

__all__ = [
    "LAMB",
    "SGD",
    "Activity",
    "AdamW",
    "Adamax",
    "Advice",
    "BudgetError",
    "Callback",
    "Constant",
    "Cosine",
    "EarlyStop",
    "Epoch",
    "Judgement",
    "LayerWatch",
    "Loader",
    "NarrowDelays",
    "OneCycle",
    "Optimiser",
    "Outcome",
    "Ranks",
    "Saving",
    "Schedule",
    "SpikeBudget",
    "Steps",
    "Train",
    "Trainer",
    "evaluate",
    "joined",
    "losses",
]
