"""Results: everything a report shows that the metrics of the run do not hold, as plain JSON.

A ``results.json`` is a file from outside: every list is bounded, every number checked, when it is read.
"""

import base64
import binascii
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from ranvier.core.errors import FormatError
from ranvier.runs.files import disk, write_whole

MAX_BYTES = 64 << 20
FILE_NAME = "results.json"

Name = Annotated[str, StringConstraints(max_length=200)]
Prose = Annotated[str, StringConstraints(max_length=4000)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Index = Annotated[int, Field(ge=0, le=2**31 - 1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Record(BaseModel):
    """A frozen record that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Headline(Record):
    """One number that stands at the top: ``Headline(label="Accuracy", value=96.1, unit="%")``."""

    label: Name
    value: Number
    unit: Name = ""
    note: Name = ""


class Confusion(Record):
    """How often each class (row) was taken for each class (column)."""

    class_names: Annotated[tuple[Name, ...], Field(min_length=1, max_length=1000)]
    counts: Annotated[tuple[tuple[Count, ...], ...], Field(max_length=1000)]

    @model_validator(mode="after")
    def _square(self) -> Self:
        num = len(self.class_names)
        if len(self.counts) != num or any(len(row) != num for row in self.counts):
            raise ValueError(f"expected {num} rows of {num} counts, one for each class name")
        return self


class Frames(Record):
    """A short film of small images: one frame a time step, one or two channels (grey, or OFF and ON events).

    Args: pixels: base64 of T * C * H * W bytes, 0 to 255.
    """

    steps: Annotated[int, Field(ge=1, le=1024)]
    channels: Literal[1, 2]
    height: Annotated[int, Field(ge=1, le=256)]
    width: Annotated[int, Field(ge=1, le=256)]
    pixels: Annotated[str, StringConstraints(max_length=24 << 20)]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        expected = self.steps * self.channels * self.height * self.width
        try:
            got = len(base64.b64decode(self.pixels, validate=True))
        except (binascii.Error, ValueError) as error:
            raise ValueError("pixels are not base64") from error
        if got != expected:
            raise ValueError(f"expected {expected} bytes of pixels, got {got}")
        return self

    @classmethod
    def of(cls, values_TCHW: NDArray[np.floating | np.integer | np.bool_]) -> Self:
        """Make frames of non-negative values; the largest becomes 255."""
        values = np.asarray(values_TCHW, dtype=np.float64)
        scaled = np.round(255 * values / max(float(values.max(initial=0)), 1e-12)).clip(0, 255).astype(np.uint8)
        steps, channels, height, width = values.shape
        pixels = base64.b64encode(scaled.tobytes()).decode("ascii")
        return cls.model_validate(
            {"steps": steps, "channels": channels, "height": height, "width": width, "pixels": pixels}
        )

    def array(self) -> NDArray[np.uint8]:
        """Return the pixels as (T, C, H, W)."""
        shape = (self.steps, self.channels, self.height, self.width)
        return np.frombuffer(base64.b64decode(self.pixels), dtype=np.uint8).reshape(shape)


class Raster(Record):
    """Spikes of some neurons of one layer in one sample: spike i is by ``neurons[row[i]]`` at time step ``step[i]``."""

    layer: Name
    num_neurons: Count  # in the layer
    neurons: Annotated[tuple[Index, ...], Field(max_length=1000)]  # those shown, by their flat index
    row: Annotated[tuple[Index, ...], Field(max_length=200_000)]
    step: Annotated[tuple[Index, ...], Field(max_length=200_000)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.row) != len(self.step):
            raise ValueError(f"expected as many rows as steps, got {len(self.row)} and {len(self.step)}")
        if self.row and max(self.row) >= len(self.neurons):
            raise ValueError(f"row {max(self.row)} is not among the {len(self.neurons)} neurons shown")
        return self


class Sample(Record):
    """One input, what the network did with it, and what it answered."""

    steps: Annotated[int, Field(ge=1, le=100_000)]
    target: Index | None = None
    predicted: Index | None = None
    frames: Frames | None = None
    rasters: Annotated[tuple[Raster, ...], Field(max_length=32)] = ()
    scores: Annotated[tuple[Annotated[tuple[Number, ...], Field(max_length=1000)], ...], Field(max_length=4096)] = ()
    """Output of the network at each step, (T, K)."""

    @model_validator(mode="after")
    def _within(self) -> Self:
        if any(raster.step and max(raster.step) >= self.steps for raster in self.rasters):
            raise ValueError(f"a spike lies after the last of {self.steps} steps")
        if len({len(row) for row in self.scores}) > 1:
            raise ValueError("expected as many scores at each step")
        return self


class Trace(Record):
    """The membrane of one neuron in one sample, read after each step, with its spikes."""

    layer: Name
    neuron: Index
    sample: Index = 0
    v: Annotated[tuple[Number, ...], Field(min_length=1, max_length=100_000)]
    v_th: Number | None = None
    spikes: Annotated[tuple[Index, ...], Field(max_length=100_000)] = ()

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.spikes and max(self.spikes) >= len(self.v):
            raise ValueError(f"a spike lies after the last of {len(self.v)} steps")
        return self


class Activity(Record):
    """How the neurons of one layer fired over a batch. Rates are spikes per neuron and time step."""

    num_neurons: Count
    rate: Fraction
    dead: Fraction  # share of neurons that never fired
    saturated: Fraction  # share that fired in (nearly) every step
    histogram: Annotated[tuple[Count, ...], Field(max_length=200)] = ()  # neurons by rate, equal bins from 0 to 1


class Layer(Record):
    """One layer: size, firing, and work. Operations and energy are per sample, over all its time steps."""

    name: Name
    kind: Name
    parameters: Count = 0
    activity: Activity | None = None
    dense: Amount | None = None  # multiply-accumulates if nothing is skipped
    macs: Amount | None = None  # effective ones, where an input is graded
    acs: Amount | None = None  # effective additions, where every input is -1, 0 or 1
    energy_pj: Amount | None = None


class Energy(Record):
    """An estimate of the energy of one sample's synaptic arithmetic, with its constants."""

    mac_pj: Amount
    ac_pj: Amount
    source: Prose
    caveat: Prose = ""
    snn_pj: Amount
    dense_pj: Amount  # every step, nothing skipped
    ann_pj: Amount  # the same layers once, all multiply-accumulates


class Check(Record):
    """What the check of a claim found."""

    sentence: Prose
    verdict: Literal["holds", "open", "fails"]
    measured: Annotated[dict[Name, Number], Field(max_length=50)] = {}
    control: Annotated[dict[Name, Number], Field(max_length=50)] = {}
    published: Annotated[dict[Name, Name], Field(max_length=50)] = {}


class Results(Record):
    """What a finished run has to show."""

    version: Literal[1] = 1
    title: Name
    summary: Prose = ""  # one sentence
    command: Prose = ""
    seed: int | None = None
    dt_ms: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    headlines: Annotated[tuple[Headline, ...], Field(max_length=12)] = ()
    class_names: Annotated[tuple[Name, ...], Field(max_length=1000)] = ()
    confusion: Confusion | None = None
    samples: Annotated[tuple[Sample, ...], Field(max_length=16)] = ()
    traces: Annotated[tuple[Trace, ...], Field(max_length=32)] = ()
    layers: Annotated[tuple[Layer, ...], Field(max_length=1000)] = ()
    energy: Energy | None = None
    claim: Check | None = None
    notes: Annotated[tuple[Prose, ...], Field(max_length=20)] = ()

    def write(self, folder: Path) -> Path:
        """Write ``results.json`` into a run folder, whole or not at all.

        Raises: RunError if the disk refuses.
        """
        path = folder / FILE_NAME
        with disk(str(path)):
            write_whole(path, self.model_dump_json().encode())
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a ``results.json``.

        Raises: FormatError if it is too large, no JSON, or breaks the schema; it names the field.
        """
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise FormatError(str(path), expected=f"at most {MAX_BYTES >> 20} MiB", got=f"{size} bytes")
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(map(str, first["loc"])) or "the file"
            raise FormatError(
                f"{path}: {field}",
                expected="results as ranvier writes them",
                got=first["msg"],
                mend="Delete the file and finish the run again.",
            ) from error
