"""Compares versions of products, number by number. Pure."""

from shared.messages import ProductVersion


def is_within(installed: ProductVersion | None, lowest: ProductVersion | None, highest: ProductVersion | None) -> bool:
    """Tell whether an installed version lies between two bounds, each of which may be missing (R-48).

    A version that is not known lies within all bounds.
    """
    if installed is None:
        return True
    own = _numbers(installed)
    return (lowest is None or own >= _numbers(lowest)) and (highest is None or own <= _numbers(highest))


def _numbers(version: ProductVersion) -> tuple[int, ...]:
    numbers = [int(number) for number in version.split(".")]
    while numbers and numbers[-1] == 0:  # 21 and 21.0 are the same version
        numbers.pop()
    return tuple(numbers)
