"""An event camera as a model: frames in, events out.

Letters: T frames, H W space, E events.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ranvier.core.errors import ConfigError, ShapeError, StateError
from ranvier.core.units import parse
from ranvier.data.camera.light import brightness, intensity, log_intensity, low_pass
from ranvier.data.camera.pixels import Comparators, Fired, Lines, advance
from ranvier.data.events import Events

_DIM = 0.25  # v2e: shot noise in full light, of that in the dark


class CameraState(NamedTuple):
    """Where each pixel stands at the time of the last frame; all (H, W) float64."""

    t: int  # us, of the last frame
    log: Tensor  # log intensity of the last frame
    seen: Tensor  # the same behind the low-pass
    level: Tensor  # seen, above what the comparator memorised at its last event
    blind: Tensor  # us, left of the refractory time
    on: Tensor  # thresholds of this camera's pixels
    off: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """Event camera: a pixel fires when its log intensity has changed by a threshold since its last event.

    ======== ================================================================================================
    light    L = ln(255 I) above 20 / 255, linear below; between two frames L runs on a line
    low-pass tau dy/dt = L - y, 1 / tau = 2 pi cutoff_hz (255 I + 20) / 275, solved exactly; y on a line between frames
    leak     dd/dt = dy/dt + leak_hz on, d: y above the level memorised; alone it gives ON events at leak_hz
    events   d >= on: ON, d <= -off: OFF, at the exact time of the crossing, rounded to us
    reset    d <- 0 until ``refractory`` after the event, then d follows the input again
    mismatch thresholds of each pixel N(contrast, mismatch), at least 0.01, drawn once
    shot     Poisson events at shot_hz (1 - 0.75 (255 I + 20) / 275), ON or OFF alike; they reset the pixel too
    ======== ================================================================================================

    The defaults are the ideal camera, which draws nothing. Between frames all pixels are solved at once, so a change of
    many thresholds between two frames costs no more steps; memory is that of one pair of frames and its events.

    Source: Hu, Liu and Delbruck 2021, arXiv:2006.07722 (v2e); exact crossing times as in Rebecq, Gehrig and Scaramuzza
    2018, CoRL (ESIM). Departures: v2e spreads the events of a frame evenly, we solve for them; there an event in the
    refractory time is dropped, here the pixel is held in reset as the circuit is; leak goes by a pixel's own threshold.
    Raises: ConfigError for amounts that make no sense.
    """

    contrast_on: float = 0.2  # log intensity, e-fold
    contrast_off: float = 0.2
    mismatch: float = 0.0  # standard deviation of the thresholds; 0.03 is usual
    leak_hz: float = 0.0  # 0.1 is usual
    shot_hz: float = 0.0  # in the dark; 1 to 10 is usual
    refractory: float | str = 0.0  # ms, or with a unit
    cutoff_hz: float = 0.0  # in full light; 0: no low-pass; 30 to 300 is usual

    def __post_init__(self) -> None:
        for name in ("contrast_on", "contrast_off"):
            if not 1e-3 <= getattr(self, name) < math.inf:
                raise ConfigError(f"Camera.{name}", expected="a threshold >= 0.001", got=repr(getattr(self, name)))
        for name in ("mismatch", "leak_hz", "shot_hz", "cutoff_hz"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"Camera.{name}", expected="an amount >= 0", got=repr(getattr(self, name)))
        if not 0 <= parse(self.refractory, "ms", where="Camera.refractory") < math.inf:
            raise ConfigError("Camera.refractory", expected="a time >= 0", got=repr(self.refractory))

    def rest(self, frame: Tensor, t: int, generator: torch.Generator | None = None) -> CameraState:
        """Show the first frame (H, W): no event, levels at 0, thresholds drawn. State on the device of the frame."""
        log = log_intensity(intensity(frame, "Camera"))
        on, off = (torch.full_like(log, contrast) for contrast in (self.contrast_on, self.contrast_off))
        if self.mismatch:
            if generator is None:
                raise _no_generator("thresholds", "mismatch")
            normal = torch.randn((2, *log.shape), generator=generator, dtype=torch.float64, device=generator.device)
            on, off = (
                (mean + self.mismatch * part.to(log.device)).clamp(min=min(0.01, float(mean[0, 0])))
                for mean, part in zip((on, off), normal, strict=True)
            )
        zero = torch.zeros_like(log)
        return CameraState(t=int(t), log=log, seen=log, level=zero, blind=zero, on=on, off=off)

    def step(
        self, state: CameraState, frame: Tensor, t: int, generator: torch.Generator | None = None
    ) -> tuple[CameraState, Events]:
        """Show the next frame (H, W) at time t (us).

        Returns: the state, and the events with state.t < t_event <= t, sorted by time, then row, then column.
        Raises: StateError for a frame of another size or an earlier time; ConfigError if a generator is needed.
        """
        light = intensity(frame, "Camera")
        if light.shape != state.log.shape:
            raise StateError("Camera", expected=f"a frame of {tuple(state.log.shape)}", got=str(tuple(light.shape)))
        duration = float(t - state.t)
        if duration <= 0:
            raise StateError("Camera", expected=f"a time after {state.t} us, that of the frame before", got=f"{t} us")
        log = log_intensity(light)
        seen = log
        if self.cutoff_hz:
            tau = 1e6 / (2 * math.pi * self.cutoff_hz * brightness(light))
            seen = low_pass(state.seen, state.log, log, tau, duration)
        slope = (seen - state.seen) / duration + self.leak_hz * 1e-6 * state.on
        pixels, fired = self._between(state, slope.flatten(), light.flatten(), duration, generator)
        blind = (pixels.until - duration).clamp(min=0)
        shape = light.shape
        after = state._replace(t=int(t), log=log, seen=seen, level=pixels.level.view(shape), blind=blind.view(shape))
        return after, _events(fired, state.t, (shape[0], shape[1]))

    def stream(
        self, frames: Iterable[tuple[int, Tensor]], generator: torch.Generator | None = None
    ) -> Iterator[Events]:
        """Yield the events between each two of many frames, given as (time in us, frame (H, W)), one pair at a time."""
        state = None
        for t, frame in frames:
            if state is None:
                state = self.rest(frame, t, generator)
                continue
            state, events = self.step(state, frame, t, generator)
            yield events

    def __call__(self, frames: Tensor, times: Iterable[int], generator: torch.Generator | None = None) -> Events:
        """Turn frames (T, H, W), bytes or floats with 1 for white, at times (T,) in us, into the events of all.

        Raises: ShapeError unless there is a time for each frame, and at least one.
        """
        times = [int(t) for t in times]
        if frames.ndim != 3 or len(frames) != len(times) or not times:
            got = f"frames {tuple(frames.shape)} and {len(times)} times"
            raise ShapeError("Camera", expected="grey frames (T, H, W) and T times", got=got)
        blocks = list(self.stream(zip(times, frames, strict=True), generator))
        size = (int(frames.shape[1]), int(frames.shape[2]))
        if not blocks:
            intensity(frames[0], "Camera")
            return Events.of([], [], [], [], size=size)
        t, x, y, polarity = (
            np.concatenate([getattr(block, name) for block in blocks]) for name in ("t", "x", "y", "polarity")
        )
        return Events(t, x, y, polarity, size)

    def _between(
        self, state: CameraState, slope: Tensor, light: Tensor, duration: float, generator: torch.Generator | None
    ) -> tuple[Comparators, list[Fired]]:
        """Run all pixels to the next frame, those with shot noise from one noise event to the next."""
        refractory = parse(self.refractory, "ms") * 1000
        on, off = state.on.flatten(), state.off.flatten()
        level, until = state.level.flatten().clone(), state.blind.flatten().clone()
        now = torch.zeros_like(level)
        fired = []
        for pixel, time, polarity in self._noise(light, duration, generator):
            some = Comparators(level[pixel], until[pixel])
            some, events = advance(
                some, Lines(slope[pixel], now[pixel], time), on[pixel], off[pixel], refractory=refractory
            )
            fired.append(events._replace(pixel=pixel[events.pixel]))
            awake = some.until <= time  # noise during the reset is lost, as any crossing is
            level[pixel] = torch.where(awake, 0.0, some.level)
            until[pixel] = torch.where(awake, time + refractory, some.until)
            now[pixel] = time
            fired.append(Fired(pixel[awake], time[awake], polarity[awake]))
        end = torch.full_like(now, duration)
        pixels, events = advance(Comparators(level, until), Lines(slope, now, end), on, off, refractory=refractory)
        return pixels, [*fired, events]

    def _noise(self, light: Tensor, duration: float, generator: torch.Generator | None) -> list[Fired]:
        """Draw shot noise: the first noise event of each pixel that has one, then the second, and so on."""
        if not self.shot_hz:
            return []
        if generator is None:
            raise _no_generator("noise", "shot_hz")
        rate = self.shot_hz * (1 - (1 - _DIM) * brightness(light).clamp(max=1))
        num = torch.poisson((rate * duration * 1e-6).to(generator.device), generator=generator).long()
        pixel = torch.repeat_interleave(torch.arange(len(num), device=num.device), num)
        # 1 - u lies in (0, 1]: an event belongs to the frame that ends with it.
        time = (1 - torch.rand(len(pixel), dtype=torch.float64, generator=generator, device=num.device)) * duration
        polarity = torch.randint(2, (len(pixel),), dtype=torch.uint8, generator=generator, device=num.device)
        time, order = torch.sort(time, stable=True)
        pixel, back = torch.sort(pixel[order], stable=True)
        time, polarity = time[back], polarity[order][back]
        nth = torch.arange(len(pixel), device=num.device) - (num.cumsum(0) - num)[pixel]
        drawn = (Fired(pixel[nth == n], time[nth == n], polarity[nth == n]) for n in range(int(num.max())))
        return [Fired(*(part.to(light.device) for part in some)) for some in drawn]


def _events(fired: list[Fired], start: int, size: tuple[int, int]) -> Events:
    pixel, time, polarity = (torch.cat(parts).cpu().numpy() for parts in zip(*fired, strict=True))
    t = start + np.rint(time).astype(np.int64)
    order = np.lexsort((pixel, t))
    y, x = np.divmod(pixel[order], size[1])
    return Events(t[order], x.astype(np.int16), y.astype(np.int16), polarity[order], size)


def _no_generator(what: str, field: str) -> ConfigError:
    mend = f"Pass ranvier.core.seeds.generator(seed), or set {field}=0."
    return ConfigError("Camera", expected=f"a generator, which draws the {what}", got="None", mend=mend)
