"""The errors users meet, each naming its remedy.

They live in one module so that widgets, notebooks and tests can tell them apart without importing torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class SaewidgetsError(Exception):
    """Base class of every error that saewidgets raises on purpose."""


class HookNotFoundError(SaewidgetsError, LookupError):
    """A hook name that the model does not have."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = list(known)
        near = nearest(name, names)
        hint = f" Nearest: {', '.join(near)}." if near else ""
        super().__init__(f"The model has no hook {name!r}.{hint} All {len(names)} names are in `engine.hook_names`.")
        self.name = name
        self.nearest = near


class HookDidNotFireError(SaewidgetsError, RuntimeError):
    """A hook that exists, but that the forward pass never reached."""


class SaeMismatchError(SaewidgetsError, ValueError):
    """A dictionary that cannot belong to this model."""


class FeatureIndexError(SaewidgetsError, IndexError):
    """A feature index outside the dictionary."""


class LabelError(SaewidgetsError, ValueError):
    """Labels of which it is not clear which feature is called what."""


class TokenIdError(SaewidgetsError, ValueError):
    """Token ids outside the vocabulary, or of a wrong shape or type."""


class ComparisonError(SaewidgetsError, ValueError):
    """Texts that cannot be compared: only one, or at a position that one of them does not have."""


class NonFiniteError(SaewidgetsError, ValueError):
    """NaN or infinity in weights or activations, where a number would be shown."""


class ReadoutError(SaewidgetsError, ValueError):
    """A hook from which no direct path leads to the logits."""


class DeviceError(SaewidgetsError, RuntimeError):
    """A device that was asked for and is not there."""


class OutOfMemoryError(SaewidgetsError, MemoryError):
    """A single text that does not fit in memory even alone."""


class DirectoryError(SaewidgetsError, OSError):
    """sae-lens' directory of published SAEs, which is not there or cannot be read."""

    def __init__(self, where: str, reason: Exception) -> None:
        super().__init__(
            f"sae-lens' directory of published SAEs cannot be read at {where}: {type(reason).__name__}: {reason}. "
            "Install sae-lens again; an SAE on disk needs no directory: sae_lens.SAE.load_from_disk(folder)."
        )


class HubError(SaewidgetsError, ConnectionError):
    """Files that are neither on this machine nor to be had from the Hugging Face hub."""


class PageSizeError(SaewidgetsError, ValueError):
    """A page that would be larger than it may be; nothing was written."""


class CancelledError(SaewidgetsError):
    """The work was cancelled, or a newer request took its place."""


def nearest(name: str, known: Iterable[str], n: int = 3) -> list[str]:
    """The up to `n` names closest in spelling to `name`, best first."""
    return get_close_matches(name, list(known), n=n, cutoff=0.5)
