"""Dictionary: a named set of features read at one hook, whatever they are made of."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from ...errors import FeatureIndexError
from ..arrays import Floats, Ints
from ..labels import Labels
from ..model.weights import bytes_of, stamp_of
from .feature_number import feature_number

# Hashes of weights, and what was seen of these when they were computed.
_known: WeakKeyDictionary[Dictionary, tuple[object, str]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Selection:
    """How the activations of all features follow from those of blocks of them.

    Attributes:
        k: a token has only so many active features, those of the largest values; None: each stands alone.
        magnitude: whether the largest in absolute value count, with their signs; else those above 0 alone are active.
    """

    k: int | None = None
    magnitude: bool = False


class Dictionary(ABC):
    """A named set of features read at one hook.

    Attributes:
        name: how the user calls it.
        hook_name: where it reads, as the user wrote it.
        hook_name_out: where a transcoder writes; None if it is the same place.
        d_in: width of what it reads.
        n_features: number of features.
        activation_name: what the numbers are, for labels.
        labels: feature index to label, living (see `Labels`): asked wherever a name is shown, copied nowhere.
        architecture: sae-lens's name of it, "directions" or "neurons".
        signed: whether activations can be negative.
        head: the one attention head that it reads and writes, of a hook that has several; None for all of them.
        dense: whether nearly every feature is active on every token.
        direction_name: what the rows of `decoder` are called, for labels.
    """

    name: str
    hook_name: str
    hook_name_out: str | None = None
    d_in: int
    n_features: int
    activation_name: str = "activation"
    labels: Labels
    architecture: str
    signed: bool = False
    head: int | None = None
    direction_name: str = "W_dec"
    dense: bool = False

    @property
    def per_text(self) -> bool:
        """Whether each text must be encoded alone, as [1, pos, d_in]."""
        return False

    @property
    def causal(self) -> bool:
        """Whether a token's activations depend on no later token."""
        return True

    @property
    def affine(self) -> bool:
        """Whether the activation of a feature that is active is an affine function of what is read at its token."""
        return True

    @property
    def device(self) -> torch.device | None:
        """Where the weights are; None if there are none."""
        return None

    @abstractmethod
    def encode(self, x: Tensor, columns: Tensor | None = None) -> Tensor:
        """Activations [..., n_features], or [..., len(columns)] of the wanted features, of `x` [..., d_in]."""

    def autoencode(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """All activations of `x`, and what the dictionary makes of `x` (None if it is no autoencoder)."""
        return self.encode(x), None

    @property
    def alone(self) -> bool:
        """Whether the activation of a feature needs no other feature's: a few `columns` then cost no more than they are."""
        return False

    @property
    def selection(self) -> Selection | None:
        """How features can be encoded block by block, exactly; None if each needs all others, or nothing is gained."""
        return None

    def block(self, x: Tensor, features: slice, move: Callable[[Tensor], Tensor]) -> Tensor:
        """Of a block of features, the activations [..., n] of `x` [..., d_in], or the values that its `selection` is among.

        Args:
            features: start and stop; a stop past the end is the end.
            move: brings weights to the device of `x`.

        Raises:
            NotImplementedError: where there is no `selection`.
        """
        raise NotImplementedError(f"{self.name!r} is encoded as a whole.")

    @property
    def has_skip(self) -> bool:
        """Whether it writes a linear function of what it reads, besides its features (skip transcoders)."""
        return False

    def skip(self, x: Tensor) -> Tensor:
        """That linear function of `x` [..., d_in]: [..., d_out].

        Raises:
            NotImplementedError: where there is none.
        """
        raise NotImplementedError(f"{self.name!r} has no skip.")

    # -- what it writes

    @abstractmethod
    def decoder(self, columns: Tensor | None = None) -> Tensor:
        """What one unit of each feature adds to the hook that the dictionary writes to: [n, d_out] float32, a copy.

        On the device of the weights. SAEs and transcoders: the rows of W_dec as stored; where decoding divides by their
        norms (TopK SAEs with `rescale_acts_by_decoder_norm`), the unit rows. An SAE that normalises its input scales them
        anew at every token: see `decoder_scale`. Directions: the vectors. Neurons: one-hot rows; ask for a few `columns`
        where there are many.

        Args:
            columns: [n] feature indices; default: all.
        """

    def decoder_scale(self, x: Tensor) -> Tensor:
        """By what decoding multiplies the rows of `decoder` at each token: [..., 1] float32 for `x` [..., d_in].

        1, unless the dictionary normalises its input token by token.
        """
        return torch.ones(*x.shape[:-1], 1, device=x.device)

    def stored(self, columns: Tensor) -> Tensor:
        """The vectors [n, d_out] float32 as their makers stored them: what steering code elsewhere adds."""
        return self.contribution(columns)

    def contribution(self, columns: Tensor) -> Tensor:
        """What one unit of each feature's activation adds to the value at the hook: [n, d_out] float32.

        `decoder`, except for raw directions: their activation is h·v, so the part of h that it stands for is
        (h·v) v / |v|^2. Without the division, ablating a direction that is no unit vector would overshoot.
        """
        return self.decoder(columns)

    def written(self, features: Sequence[int] | Ints | None = None) -> Floats:
        """`contribution` as NumPy, for what computes without torch: [n, d_out] float32, rows of its own.

        Args:
            features: which; default: all.

        Raises:
            FeatureIndexError: for a feature outside the dictionary.
        """
        chosen = range(self.n_features) if features is None else self.check_features(list(features))
        with torch.no_grad():
            rows = self.contribution(torch.as_tensor(list(chosen), dtype=torch.long))
            return np.asarray(rows.detach().float().cpu().numpy(), np.float32)

    def along(self, vectors: Tensor) -> Tensor:
        """Dot products of `vectors` [..., d_out] with one unit of each feature's contribution: [..., n_features] float32."""
        rows = self.contribution(torch.arange(self.n_features)).to(vectors.device)
        return vectors.float() @ rows.T

    # -- the same as plain code

    @abstractmethod
    def code_vectors(self) -> list[str]:
        """Lines of Python that make, from `x` [batch, pos, d_in] (and `saes`, by name): W, the vectors as stored; D, what one
        unit of activation adds; `size` [batch, pos], the token's scale.
        """

    @abstractmethod
    def code_encoding(self, rebuild: bool, past: str) -> list[str]:
        """Lines of Python that make `a`, the activations of `x` [batch, pos, n_features], and with `rebuild` also `rebuilt`.

        Args:
            past: where to keep what was read before, for dictionaries that look back; `at` [pos] are positions.
        """

    @property
    def has_decoder(self) -> bool:
        """Whether its rows say anything of their own: neurons are the basis itself."""
        return True

    # -- what it is

    def weights(self) -> dict[str, Tensor]:
        """Name to tensor of everything that its numbers depend on."""
        return {}

    def weights_hash(self, *, fresh: bool = True) -> str:
        """A hash of weights, hooks and kind. The same SAE in another dtype has another, as it gives other numbers.

        Args:
            fresh: read every byte (a million features have gigabytes). Else the hash that was computed before is given again if
                no weight has changed since, as far as a look at them tells: see `weights_hash` of models.
        """
        kind = f"{self.hook_name} {self.hook_name_out} {self.architecture}"
        weights = dict(sorted(self.weights().items()))
        stamp = (kind, tuple(weights), stamp_of(weights.values()))
        known = _known.get(self)
        if not fresh and known is not None and known[0] == stamp:
            return known[1]
        digest = hashlib.sha256(kind.encode())
        for name, tensor in weights.items():
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            for part in bytes_of(tensor):
                digest.update(part)
        _known[self] = (stamp, digest.hexdigest())
        return digest.hexdigest()

    def beside(self, spliced: Sequence[object]) -> Dictionary:
        """The dictionary to read with while the SAEs `spliced` stand in the model: on its own weights, without the hooks that
        are on it if it is one of them, for those have their turn there.
        """
        return self

    def encoding(self) -> dict[str, object]:
        """JSON settings that change its activations though its weights stay the same, such as the k of a TopK."""
        return {}

    @property
    def unfolded(self) -> str | None:
        """What of its training's input normalisation is not applied here, and what to do; None if nothing is missing."""
        return None

    def variants(self) -> dict[str, Callable[[], Dictionary]]:
        """The same with one setting of its making turned, by what that is: copies, to compare others' numbers with."""
        return {}

    def in_dtype(self, dtype: torch.dtype) -> Dictionary | None:
        """A copy in another dtype; None if it has no weights of its own, or has that dtype."""
        return None

    def fit(self, width: int) -> None:  # noqa: B027 (most know their width)
        """Told how wide the hook is, before anything is read: for dictionaries that do not know it by themselves."""

    def metadata(self, name: str) -> object:
        """What its maker says of its training under `name`; None if nothing."""
        return None

    def facts(self) -> dict[str, str]:
        """Provenance: what a reader must know to compare the numbers."""
        return {self.kind: self.name, "architecture": self.architecture, "hook": self.hook_name}

    @property
    def kind(self) -> str:
        """ "SAE", "transcoder", "directions" or "neurons": the label of the name."""
        return "SAE"

    def check_features(self, features: Sequence[int]) -> list[int]:
        """`features` as plain integers inside the dictionary.

        Raises:
            FeatureIndexError: for an index outside 0 .. n_features-1, or what is no whole number.
        """
        plain = [feature_number(f) for f in features]
        wrong = next((f for f in plain if not 0 <= f < self.n_features), None)
        if wrong is not None:
            raise FeatureIndexError(
                f"Feature {wrong} is outside {self.name!r}, which has {self.n_features} features (0 to {self.n_features - 1})."
            )
        return plain


def rows_of(weights: Tensor, columns: Tensor | None) -> Tensor:
    """Rows of `weights` in float32, copied: whoever scales them in place must not scale the user's weights."""
    rows = weights.detach()
    return (rows if columns is None else rows[columns.to(rows.device)]).to(torch.float32, copy=True)
