"""Copies between the host and a CUDA device, through pinned memory: they run beside what the device computes.

Without such a device a copy is none. Where the system gives no pinned memory, copies wait for their end instead: slower,
the same numbers, and `note` says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Arriving", "Transfer"]


@dataclass(frozen=True)
class Arriving:
    """A tensor on its way to the host."""

    _host: Tensor
    _there: torch.cuda.Event | None = None

    @property
    def on_its_way(self) -> bool:
        """Whether it was sent without waiting."""
        return self._there is not None

    def wait(self) -> Tensor:
        """The tensor on the host, once it is there."""
        if self._there is not None:
            self._there.synchronize()
        return self._host


class Transfer:
    """Copies to and from devices.

    Attributes:
        note: for people, once pinned memory could not be had; else None.
    """

    def __init__(self) -> None:
        self.note: str | None = None
        self._streams: dict[torch.device, torch.cuda.Stream] = {}

    def to_device(self, tensor: Tensor, device: torch.device) -> Tensor:
        """`tensor` on `device`; it may still be on its way, but what the device is told to compute next waits for it."""
        if device.type == "cuda" and tensor.device.type == "cpu":
            staged = self._pinned(tensor)
            if staged is not None:
                # torch keeps the pinned memory from being used again before the copy has ended.
                return staged.copy_(tensor).to(device, non_blocking=True)
        return tensor.to(device)

    def to_host(self, tensor: Tensor) -> Arriving:
        """`tensor` on its way to the host, beside what its device is told to compute next."""
        device = tensor.device
        host = self._pinned(tensor) if device.type == "cuda" else None
        if host is None:
            return Arriving(tensor.cpu())
        stream = self._stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            host.copy_(tensor, non_blocking=True)
            there = stream.record_event()
        tensor.record_stream(stream)
        return Arriving(host, there)

    def _stream(self, device: torch.device) -> torch.cuda.Stream:
        if device not in self._streams:
            self._streams[device] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        return self._streams[device]

    def _pinned(self, like: Tensor) -> Tensor | None:
        """Pinned memory of the shape of `like`; None where there is none to be had, from then on."""
        if self.note is not None:
            return None
        try:
            return torch.empty(like.shape, dtype=like.dtype, pin_memory=True)
        except (RuntimeError, MemoryError) as error:
            self.note = (
                f"The system gives no pinned memory ({str(error).splitlines()[0]}): copies between host and device wait for "
                "their end, which is slower. The numbers are the same."
            )
            return None
