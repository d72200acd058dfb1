"""Which settings of an SAE of sae-lens change its activations though its weights stay the same."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from sae_lens import SAE

__all__ = ["encoding_settings"]

# Settings of an SAE that are about its training or its place in memory, or that are told elsewhere.
_NOT_ENCODING = frozenset(
    "metadata device dtype architecture d_in d_sae decoder_init_norm aux_loss_coefficient use_matryoshka_aux_loss "
    "topk_threshold_lr use_sparse_activations".split()
)


def encoding_settings(sae: SAE[Any]) -> dict[str, object]:
    """These settings as JSON, such as the k of a TopK. An SAE in training and the same one loaded for use agree."""
    settings = sae.cfg.to_dict()
    # Only what the latter has.
    wanted = _settings_in_use(str(sae.cfg.architecture())) or settings.keys()
    kept = {name: value for name, value in settings.items() if name in wanted and name not in _NOT_ENCODING}
    return cast("dict[str, object]", json.loads(json.dumps(kept, default=str, sort_keys=True)))


def _settings_in_use(architecture: str) -> frozenset[str]:
    """Names of the settings of an architecture's SAEs that are not in training; none if there are only trained ones."""
    from sae_lens import registry

    known = registry.SAE_CLASS_REGISTRY.get(architecture)
    return frozenset(field.name for field in fields(known[1])) if known else frozenset()
