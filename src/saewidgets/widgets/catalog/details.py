"""What is answered of one SAE: its fields, its code, whether it is for the user's model, and whether the engine has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from .. import wire
from .asked import Details, Load
from .code import engine_code, sae_lens_code
from .fields import LATER, shown
from .saes import Saes

if TYPE_CHECKING:
    from ...engine.engine import Engine
    from ...engine.model.model import AnyModel

__all__ = ["OwnModel", "Ready", "details"]

_PROMISED = ("context_size", "prepend_bos", "normalize_activations", "dataset_path")
_NAMELESS = {"", "custom", "custom model"}


class OwnModel:
    """The model that SAEs are loaded into.

    Raises:
        TypeError: if it is none of TransformerLens's.
    """

    def __init__(self, model: AnyModel) -> None:
        from ...engine.model.model import Model
        from ...engine.provenance import official_name

        self.name = Model(model).name
        self._official = official_name
        self._known: dict[str, bool | None] = {}
        self._own = "" if self.name in _NAMELESS else official_name(self.name)

    def fits(self, other: str) -> bool | None:
        """Whether an SAE of the model `other` is for this one; None if either has no name."""
        if other not in self._known:
            self._known[other] = self._official(other) == self._own if self._own and other else None
        return self._known[other]


@dataclass(frozen=True)
class Ready:
    """What the engine is made of."""

    release: str
    sae_id: str
    device: str
    dtype: str

    @classmethod
    def of(cls, asked: Load, engine: Engine) -> Ready:
        device, dtype = str(engine.model.input_device), str(engine.model.dtype).removeprefix("torch.")
        return cls(asked.release, asked.sae_id, device, dtype)


def details(
    asked: Details, saes: Saes, config: Mapping[str, Any] | None, own: OwnModel | None, ready: Ready | None
) -> wire.Reply:
    """The answer. `config`: what the SAE said of itself, once it was loaded.

    Raises:
        LookupError: if there is no such SAE.
    """
    at = saes.place(asked.release, asked.sae_id)
    options = (asked.release, asked.sae_id, asked.device, asked.dtype, own is not None)
    later = ", ".join(LATER[name][0] for name in _PROMISED)
    misfit = None
    if own is not None and own.fits(saes.entries[at].model) is False:
        misfit = (
            f"It was trained on {saes.entries[at].model}, and your model is {own.name}: it loads only if the sizes agree, and "
            "its features may mean nothing there."
        )
    data: dict[str, wire.Json] = {
        "release": asked.release,
        "sae_id": asked.sae_id,
        "fields": cast("list[wire.Json]", shown(saes.row(at), config)),
        "later": "" if config is not None else f"Known once it is loaded: {later} and more.",
        "code": engine_code(*options),
        "sae_lens_code": sae_lens_code(*options),
        "misfit": misfit,
        "engine": None if ready is None else cast("wire.Json", dict(vars(ready))),
    }
    return wire.Reply(data)
