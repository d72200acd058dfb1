"""How an engine was made, where that can be said: so that other processes make the same one, instead of being sent its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch

__all__ = ["Made", "device_elsewhere"]

T = TypeVar("T")


@dataclass(frozen=True)
class Made(Generic[T]):
    """The call that made an engine.

    Attributes:
        call: a function or class method that every process can import.
        arguments: plain values.
    """

    call: Callable[..., T]
    arguments: Mapping[str, object] = field(default_factory=dict)

    def __call__(self) -> T:
        """Another engine like it."""
        return self.call(**self.arguments)


def device_elsewhere(device: str | torch.device | None) -> str | None:
    """What a device is called in a process that sees only its own GPUs: "cuda:3" here is "cuda" there."""
    return None if device is None else torch.device(device).type
