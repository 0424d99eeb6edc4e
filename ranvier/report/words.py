"""Numbers as words: few digits, none that say nothing."""


def number(value: float, digits: int = 2) -> str:
    """Write a number with at most so many digits after the point, and none that say nothing."""
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:.0f}"
    return "0" if text in ("-0", "") else text


def short(value: float) -> str:
    """Write a number in little room: 12000 becomes 12k, 0.00012 becomes 1.2e-4."""
    size = abs(value)
    if size and (size < 1e-3 or size >= 1e15):
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    for limit, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= limit:
            return number(value / limit, 2 if size < 10 * limit else 1) + letter
    return number(value, 3 if size < 1 else 2)


def energy(picojoule: float) -> str:
    """Write an energy with the unit that leaves 1 to 999 in front."""
    for limit, unit in ((1e12, "J"), (1e9, "mJ"), (1e6, "µJ"), (1e3, "nJ")):
        if picojoule >= limit:
            return f"{picojoule / limit:.3g} {unit}"
    return f"{picojoule:.3g} pJ"
