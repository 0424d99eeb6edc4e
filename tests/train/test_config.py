import json
from dataclasses import asdict

import pytest
from pydantic import TypeAdapter

from ranvier.core.errors import ConfigError
from ranvier.train import SGD, AdamW, Constant, Cosine, OneCycle, Saving, Steps, Train


@pytest.mark.parametrize("optimiser", [AdamW(lr=0.5, betas=(0.1, 0.2)), SGD(nesterov=True)])
@pytest.mark.parametrize("schedule", [Constant(), Cosine(warmup=0.5), Steps(at=(0.1,)), OneCycle(peak=0.5)])
def test_a_config_round_trips_through_json(optimiser, schedule):
    config = Train(optimiser=optimiser, schedule=schedule, ema=0.99, clip=1.0, saving=Saving(steps=3, seconds=None))
    adapter = TypeAdapter(Train)
    assert adapter.validate_json(json.dumps(asdict(config))) == config


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (Train, "epochs", 0), (Train, "accumulate", 0), (Train, "clip", 0.0), (Train, "clip", float("nan")),
        (Train, "precision", "float16"), (Train, "ema", 1.0), (Train, "ema", 0.0),
        (Saving, "steps", 0), (Saving, "seconds", -1.0), (Saving, "log_steps", 0),
    ],
)  # fmt: skip
def test_numbers_that_make_no_sense_are_refused(kind, name, value):
    with pytest.raises(ConfigError, match=rf"^{kind.__name__}\.{name}: expected "):
        kind(**{name: value})
