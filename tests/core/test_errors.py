import pickle

import pytest

from ranvier.core.errors import ConfigError, RanvierError, ShapeError, UnknownNameError


def test_message_says_where_expected_got_and_mend():
    error = ShapeError(
        'Conv2d "enc.2"', expected="(T, B, 64, H, W)", got="(16, 8, 32, 28, 28)", mend="Use 32 channels."
    )
    assert str(error) == 'Conv2d "enc.2": expected (T, B, 64, H, W), got (16, 8, 32, 28, 28). Use 32 channels.'
    assert (error.where, error.expected, error.got) == ('Conv2d "enc.2"', "(T, B, 64, H, W)", "(16, 8, 32, 28, 28)")


def test_message_without_mend_ends_after_got():
    assert str(ConfigError("a", expected="b", got="c")) == "a: expected b, got c."


def test_errors_are_also_the_usual_python_errors():
    assert issubclass(ShapeError, ValueError)
    assert issubclass(UnknownNameError, LookupError)
    assert issubclass(ShapeError, RanvierError)


def test_unknown_name_lists_near_ones():
    error = UnknownNameError.among("neurons", "LIFF", ["LIF", "ALIF", "HodgkinHuxley"], kind="neuron")
    assert "expected a known neuron (ALIF, HodgkinHuxley, LIF)" in str(error)
    assert "Did you mean 'LIF' or 'ALIF'?" in str(error)


def test_unknown_name_without_near_ones_gives_no_advice():
    assert (
        str(UnknownNameError.among("x", "zzz", [], kind="thing"))
        == "x: expected a known thing (none are known), got 'zzz'."
    )


def test_unknown_name_cuts_long_lists():
    assert "..." in str(UnknownNameError.among("x", "n", [f"name{i}" for i in range(30)]))


def test_errors_survive_the_way_between_processes():
    error = ShapeError("a", expected="b", got="c", mend="D.")
    # How multiprocessing sends exceptions; nothing in ranvier itself unpickles.
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is ShapeError
    assert str(back) == str(error)
    assert back.mend == "D."


def test_every_error_class_is_raised_with_the_same_keywords():
    kinds = [kind for kind in RanvierError.__subclasses__() if kind.__module__ == "ranvier.core.errors"]
    assert len(kinds) > 10
    for kind in kinds:
        with pytest.raises(kind, match=r"^w: expected e, got g\. M\.$"):
            raise kind("w", expected="e", got="g", mend="M.")
