"""JSON in which what is there several times stands once: the answers of a page repeat each other, and gzip only sees 32 kB back.

An object or a list that occurs again is {"$": n}, the n-th of those that are shared, which may name earlier ones. A key of the data's own
that is nothing but dollars has one more of them. js/src/page/sharing.ts undoes it.
"""

from __future__ import annotations

import json
import re

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

__all__ = ["share"]

# A reference has some ten bytes itself.
_WORTH = 32
_DOLLARS = re.compile(r"\$+")


def share(value: Json) -> tuple[list[Json], Json]:
    """What is shared, and `value` with references to it.

    Example:
        >>> share([{"long": "x" * 40}, {"long": "x" * 40}])  # doctest: +SKIP
        ([{'long': 'xxx...'}], [{'$': 0}, {'$': 0}])
    """
    numbers: dict[str, int] = {}
    bodies: list[Json] = []
    times: list[int] = []
    sizes: list[int] = []

    def named(one: Json) -> Json:
        """`one`, or if it holds others a reference to its body, in which those are references."""
        body: Json
        if isinstance(one, dict):
            body = {f"{key}$" if _DOLLARS.fullmatch(key) else key: named(item) for key, item in one.items()}
        elif isinstance(one, (list, tuple)):
            body = [named(item) for item in one]
        else:
            return one
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
        number = numbers.setdefault(text, len(bodies))
        if number == len(bodies):
            bodies.append(body)
            times.append(0)
            sizes.append(len(text))
        times[number] += 1
        return {"$": number}

    root = named(value)
    kept = [number for number, n in enumerate(times) if n > 1 and sizes[number] >= _WORTH]
    places = {number: place for place, number in enumerate(kept)}

    def written(one: Json) -> Json:
        """References only to what is kept."""
        if not isinstance(one, dict):
            return one
        number = one["$"]
        assert isinstance(number, int)
        return {"$": places[number]} if number in places else filled(number)

    def filled(number: int) -> Json:
        body = bodies[number]
        if isinstance(body, dict):
            return {key: written(item) for key, item in body.items()}
        assert isinstance(body, list)
        return [written(item) for item in body]

    return [filled(number) for number in kept], written(root)
