"""What a widget has answered, the latest of each question, so that its page can answer the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from . import wire

_KEPT = 24


class Remembered:
    """The latest answers of the channels that are remembered."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, Mapping[str, wire.Json], wire.Reply]] = {}
        self._quick: set[str] = set()

    def keep(self, channel: str, params: Mapping[str, wire.Json], reply: wire.Reply, *, quick: bool) -> None:
        """Remember `reply`. A slider asks at every stop: where there are too many, the oldest of the `quick` ones goes first."""
        key = _key(channel, params)
        self._kept.pop(key, None)
        self._kept[key] = (channel, params, reply)
        if quick:
            self._quick.add(channel)
        while len(self._kept) > _KEPT:
            del self._kept[next((k for k, one in self._kept.items() if one[0] in self._quick), next(iter(self._kept)))]

    def of(self, channel: str, params: Mapping[str, wire.Json]) -> wire.Reply | None:
        """The answer to this question, if it was given."""
        found = self._kept.get(_key(channel, params))
        return None if found is None else found[2]

    def __iter__(self) -> Iterator[tuple[str, Mapping[str, wire.Json], wire.Reply]]:
        """Channel, parameters and answer, in the order of the questions."""
        return iter(sorted(self._kept.values(), key=lambda one: (one[0], wire.canonical(dict(one[1])))))


def _key(channel: str, params: Mapping[str, wire.Json]) -> str:
    return f"{channel} {wire.canonical(dict(params))}"
