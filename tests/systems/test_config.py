import json
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.core.errors import ConfigError, UnknownNameError
from ranvier.systems.config import from_plain, override, read, to_plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    epochs: int = 3
    lr: float = 1e-3
    nesterov: bool = False

    def __post_init__(self):
        if self.epochs < 1:
            raise ConfigError("Recipe.epochs", expected="at least 1", got=str(self.epochs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    seed: int = 0
    order: Literal["forward", "reversed"] = "forward"
    channels: tuple[int, ...] = (8, 16)
    limit: int | None = None
    recipe: Recipe = Recipe()


BASE = Options()


def test_options_from_the_shell_take_the_type_of_their_field():
    got = override(BASE, ["seed=7", "recipe.lr=3e-4", "recipe.nesterov=true", "channels=[4, 5]", "order=reversed"])
    assert got == Options(seed=7, order="reversed", channels=(4, 5), recipe=Recipe(lr=3e-4, nesterov=True))


def test_null_takes_a_limit_away():
    assert override(Options(limit=3), ["limit=null"]).limit is None


def test_no_option_changes_nothing():
    assert override(BASE, []) == BASE


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["seed=abc"], "--set.seed: expected a valid integer, got 'abc'."),
        (["seed=3.5"], "--set.seed: expected a valid integer, got '3.5'."),
        (["recipe.lr=fast"], "--set.recipe.lr: expected a valid number, got 'fast'."),
        (["recipe.lr=nan"], "--set.recipe.lr: expected a finite number, got nan."),
        (["recipe.epochs=0"], "Recipe.epochs: expected at least 1, got 0."),
        (["order=sideways"], "--set.order: expected 'forward' or 'reversed', got 'sideways'."),
        (["channels=[4, x]"], "--set.channels.1: expected a valid integer, got 'x'."),
        (["channels=[4"], "--set channels: expected plain YAML, got "),
        (["seed"], "--set: expected an option such as train.epochs=3, got 'seed'."),
        (["=3"], "--set: expected an option such as train.epochs=3, got '=3'."),
        (["seed=1", "seed=2"], "--set seed: expected one value, got '1' and '2'. Drop one of them."),
        (["recipe=3"], "--set.recipe: expected options (recipe.epochs, recipe.lr, recipe.nesterov), got '3'."),
        (["recipe=3", "recipe.lr=1"], "--set recipe.lr: expected no value for a part of it too, got recipe=3."),
        (["recipe.lr=1", "recipe=3"], "--set recipe: expected no value for a part of it too, got recipe=3."),
    ],
)
def test_a_bad_option_is_refused_by_its_path(options, message):
    with pytest.raises(ConfigError) as caught:
        override(BASE, options)
    assert str(caught.value).startswith(message)


def test_the_same_option_twice_with_one_value_is_no_contradiction():
    assert override(BASE, ["seed=2", "seed=2"]).seed == 2


def test_an_unknown_option_lists_near_ones_at_its_own_level():
    with pytest.raises(UnknownNameError) as caught:
        override(BASE, ["recipe.epoch=3"])
    assert str(caught.value) == (
        "--set.recipe: expected a known option (epochs, lr, nesterov), got 'epoch'. Did you mean 'epochs'?"
    )


def test_a_truth_value_is_no_number():
    with pytest.raises(ConfigError, match=r"^config\.seed: expected a number, got True\.$"):
        from_plain(BASE, {"seed": True})


@given(
    st.builds(
        Options,
        seed=st.integers(0, 2**40),
        order=st.sampled_from(["forward", "reversed"]),
        channels=st.lists(st.integers(1, 99), max_size=4).map(tuple),
        limit=st.none() | st.integers(1, 9),
        recipe=st.builds(
            Recipe,
            epochs=st.integers(1, 99),
            lr=st.floats(allow_nan=False, allow_infinity=False),
            nesterov=st.booleans(),
        ),
    )
)
def test_a_config_goes_through_json_and_back(config):
    assert from_plain(BASE, json.loads(json.dumps(to_plain(config)))) == config


def test_a_file_changes_only_what_it_names(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text("system: toy\nrecipe:\n  epochs: 9\nchannels: [1, 2, 3]\n")
    assert read(path, BASE, system="toy") == Options(channels=(1, 2, 3), recipe=Recipe(epochs=9))


def test_an_empty_file_changes_nothing(tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing\n")
    assert read(path, BASE, system="toy") == BASE


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- 1\n- 2\n", "expected options by name, such as epochs: 3, got [1, 2]."),
        ("1: 2\n", "expected options by name, such as epochs: 3, got {1: 2}."),
        ("a: &x [1]\nb: *x\n", "expected plain YAML, got an alias (*x)."),
        ("seed: 1\nseed: 2\n", "expected plain YAML, got 'seed' twice, in line 2."),
        ("seed: [1\n", "expected plain YAML, got while parsing a flow sequence"),
        (
            "!!python/object/apply:os.system ['touch pwned']\n",
            "expected plain YAML, got could not determine a constructor",
        ),
        ("x: " + "[" * 5000, "expected plain YAML, got "),
        ("? [a]\n: 1\n", "expected plain YAML, got "),
        ("\x00", "expected plain YAML, got "),
        ("system: other\n", "expected options of 'toy', got those of 'other'. ranvier run other ..."),
        ("seed: abc\n", ".seed: expected a valid integer, got 'abc'."),
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path, text, words):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read(path, BASE, system="toy")
    assert str(caught.value).startswith(str(path))
    assert words in str(caught.value)
    assert not (tmp_path / "pwned").exists()


def test_an_absent_a_binary_and_an_oversized_file_are_refused(tmp_path):
    absent = tmp_path / "none.yaml"
    with pytest.raises(ConfigError, match=r"none\.yaml: expected a readable YAML file, got No such file"):
        read(absent, BASE, system="toy")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ConfigError, match=r"binary\.yaml: expected a readable YAML file, got 'utf-8' codec"):
        read(binary, BASE, system="toy")
    huge = tmp_path / "huge.yaml"
    huge.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(ConfigError, match=r"huge\.yaml: expected a file of at most 1 MiB, got 1048577 bytes\.$"):
        read(huge, BASE, system="toy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    kind: Literal["fixed"] = "fixed"
    rate: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Falling:
    kind: Literal["falling"] = "falling"
    half_life: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    schedule: Fixed | Falling = Fixed()


def test_a_kind_chooses_among_alternatives_whose_options_then_hold():
    assert override(Choice(), ["schedule.half_life=7", "schedule.kind=falling"]).schedule == Falling(half_life=7)
    assert override(Choice(), ["schedule.rate=2"]).schedule == Fixed(rate=2.0)
    assert from_plain(Choice(), to_plain(Choice(schedule=Falling(half_life=3)))).schedule == Falling(half_life=3)


def test_an_unknown_kind_and_an_option_of_another_kind_are_refused():
    with pytest.raises(UnknownNameError) as caught:
        override(Choice(), ["schedule.kind=faling"])
    assert str(caught.value) == (
        "--set.schedule.kind: expected a known kind (falling, fixed), got 'faling'. Did you mean 'falling'?"
    )
    with pytest.raises(
        UnknownNameError, match=r"^--set\.schedule: expected a known option \(kind, rate\), got 'half_life'"
    ):
        override(Choice(), ["schedule.half_life=7"])


def test_the_config_of_a_run_is_a_config_file(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"name": "toy", "config": to_plain(Options(seed=5))}))
    assert read(path, BASE, system="toy") == Options(seed=5)
    with pytest.raises(ConfigError, match=r"expected options of 'other', got those of 'toy'"):
        read(path, BASE, system="other")
