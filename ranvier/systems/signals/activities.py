"""Windows of motion sensors with seven classes: real ones of a smartwatch, and drawn ones. T time, B batch, C channels.

"wisdm": the hand-oriented activities of WISDM-51, split by person, windows of 2 s standardised by the training people.
"waves": class k moves at the frequency of k // 2, with phases between channels that go with it, in one of two postures
(a constant, as gravity is at the wrist) of k % 2; phase, pace and noise are drawn. Who sees changes alone can tell
four frequencies, not seven classes.
"cue": as "waves", but the motion lasts for the first 14 steps and noise alone follows.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from ranvier.core.seeds import generator
from ranvier.data.sets import har_wisdm

Task = Literal["wisdm", "waves", "cue"]

STEPS = 40
STEP_MS = 50.0
CUE_STEPS = 14
HAND = ("typing", "teeth", "catch", "dribbling", "writing", "clapping", "folding")
_DRAWN = tuple(f"{1 + k // 2} Hz, posture {k % 2}" for k in range(7))
CLASSES: dict[str, tuple[str, ...]] = {"wisdm": HAND, "waves": _DRAWN, "cue": _DRAWN}


def motions(
    task: Task, part: Literal["train", "test"], *, count: int, limit: int | None, seed: int
) -> tuple[Tensor, Tensor]:
    """Make windows (T, B, C) float32 and their classes (B,).

    Args: count: of drawn windows. limit: of real windows, the first ones. seed: of drawn windows.
    Raises: DataError if the real ones are nowhere.
    """
    if task == "wisdm":
        return _wisdm(part, limit)
    return _drawn(count, generator(seed, task, part), noise=0.5, lasts=STEPS if task == "waves" else CUE_STEPS)


def _wisdm(part: Literal["train", "test"], limit: int | None) -> tuple[Tensor, Tensor]:
    known_BTC, labels_B = _hand("train")
    mean_C, std_C = known_BTC.mean((0, 1)), known_BTC.std((0, 1))
    if part == "test":
        known_BTC, labels_B = _hand("test")
    windows_BTC = ((known_BTC - mean_C) / std_C).unfold(1, STEPS, STEPS).permute(0, 1, 3, 2).flatten(0, 1)
    labels_B = labels_B.repeat_interleave(len(windows_BTC) // len(labels_B))
    return windows_BTC[:limit].transpose(0, 1).contiguous(), labels_B[:limit]


def _hand(part: Literal["train", "test"]) -> tuple[Tensor, Tensor]:
    found = har_wisdm.load(part)
    number = {found.classes.index(name): k for k, name in enumerate(HAND)}
    chosen = [i for i, label in enumerate(found.labels) if int(label) in number]
    windows = torch.stack([found[i][0] for i in chosen])
    return windows, torch.tensor([number[int(found.labels[i])] for i in chosen])


def _drawn(count: int, random: torch.Generator, *, noise: float, lasts: int) -> tuple[Tensor, Tensor]:
    labels_B = torch.randint(0, len(_DRAWN), (count,), generator=random)
    t_T, c_C = torch.arange(STEPS) * STEP_MS / 1000, torch.arange(6)
    motion_B, posture_B = labels_B // 2, labels_B % 2
    pace_B = (1 + motion_B) * (1 + 0.05 * torch.randn(count, generator=random))
    phase_B = 2 * math.pi * torch.rand(count, generator=random)
    angle_BTC = (2 * math.pi * pace_B[:, None] * t_T + phase_B[:, None])[:, :, None]
    angle_BTC = angle_BTC + 2 * math.pi / 7 * (c_C * (motion_B[:, None] + 1))[:, None, :]
    held_BC = (2.0 * posture_B - 1)[:, None] * torch.cos(math.pi * c_C)
    wave_BTC = torch.sin(angle_BTC) + 0.5 * torch.sin(2 * angle_BTC) + held_BC[:, None, :]
    wave_BTC = wave_BTC * (torch.arange(STEPS) < lasts)[None, :, None]
    wave_BTC = wave_BTC + noise * torch.randn(wave_BTC.shape, generator=random)
    return wave_BTC.transpose(0, 1).contiguous(), labels_B
