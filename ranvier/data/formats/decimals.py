"""Decimal numbers read out of bytes, all tokens of a column at once and exactly."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAX_LENGTH = 40
_MAX_DIGITS = 18
_WILD = 1 << 61
_TENS = 10 ** np.arange(_MAX_DIGITS + 1, dtype=np.int64)


def numbers(
    raw: NDArray[np.uint8], first: NDArray[Any], last: NDArray[Any], unit: float, *, whole: bool
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Read the tokens ``raw[first:last]``, times ``unit``, as whole numbers, rounded half up.

    Plain decimals of up to 18 digits are read exactly; longer ones and those with exponents through float64.
    ``unit`` is a power of ten. With ``whole``, a fraction other than 0 makes a token bad. Numbers beyond 2^61 become
    that.
    Returns: the numbers, and which tokens are numbers.
    """
    num = first.size
    value, digits, decimals = np.zeros(num, np.int64), np.zeros(num, np.int64), np.zeros(num, np.int64)
    length = last - first
    plain, negative, dotted = length <= _MAX_LENGTH, np.zeros(num, bool), np.zeros(num, bool)
    longest = int(length[plain].max()) if plain.any() else 0
    limit = raw.size - 1
    for place in range(longest):
        char = raw[np.minimum(first + place, limit)]
        inside = length > place
        digit = char - np.uint8(48)
        is_digit = (digit < 10) & inside
        is_dot = (char == 46) & inside & ~dotted
        is_sign = ((char == 45) | (char == 43)) & inside & (place == 0)
        room = is_digit & (digits < _MAX_DIGITS)
        value = np.where(room, value * 10 + digit, value)
        digits += is_digit
        decimals += is_digit & dotted
        if place == 0:
            negative = is_sign & (char == 45)
        dotted |= is_dot
        plain &= is_digit | is_dot | is_sign | ~inside
    plain &= (digits > 0) & (digits <= _MAX_DIGITS)
    power = round(np.log10(unit)) - decimals  # the number is value * 10 ** power
    result = np.full(num, _WILD, np.int64)
    fine = plain.copy()
    up = plain & (power >= 0)
    scale = _TENS[np.clip(power, 0, _MAX_DIGITS)]
    fits = up & ((value == 0) | (value <= _WILD // scale))
    result[fits] = value[fits] * scale[fits]
    down = plain & (power < 0)
    divisor = _TENS[np.clip(-power, 0, _MAX_DIGITS)]
    quotient, rest = np.divmod(value[down], divisor[down])
    result[down] = quotient + (2 * rest >= divisor[down])
    if whole:
        fine[down] &= rest == 0
    result[negative] *= -1
    _through_floats(raw, first, last, unit, np.flatnonzero(~plain), result, fine, whole=whole)
    return result, fine


def _through_floats(
    raw: NDArray[np.uint8],
    first: NDArray[Any],
    last: NDArray[Any],
    unit: float,
    which: NDArray[np.int64],
    result: NDArray[np.int64],
    fine: NDArray[np.bool_],
    *,
    whole: bool,
) -> None:
    """Read the tokens that are no plain decimals; fills in ``result`` and ``fine``."""
    length = (last - first)[which]
    which = which[(length > 0) & (length <= _MAX_LENGTH)]
    if not which.size:
        return
    width = int((last - first)[which].max())
    places = first[which, None] + np.arange(width)
    chars = np.where(np.arange(width) < (last - first)[which, None], raw[np.minimum(places, raw.size - 1)], 0)
    # Only what numbers are made of: no "nan", no "infinity", no "1_0".
    allowed = np.isin(chars, list(b"\x000123456789+-.eE")).all(1)
    which, texts = which[allowed], np.ascontiguousarray(chars[allowed]).astype(np.uint8).view(f"S{width}").ravel()
    try:
        values, good = texts.astype(np.float64), np.ones(which.size, bool)
    except ValueError:
        values, good = _one_by_one(texts)
    scaled = values * unit
    good &= np.isfinite(scaled)
    if whole:
        good &= np.rint(values) == values
    fine[which] = good
    result[which] = np.clip(np.rint(np.where(good, scaled, 0)), -_WILD, _WILD).astype(np.int64)


def _one_by_one(texts: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Read what numpy refuses to read at once, which happens in broken files only."""
    values, good = np.zeros(texts.size), np.zeros(texts.size, bool)
    for index, text in enumerate(texts.tolist()):
        try:
            values[index], good[index] = float(text), True
        except ValueError:
            continue
    return values, good
