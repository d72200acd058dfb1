"""What the tokens of a text are, told from the model: the rule of `text/counted.py` with the norms that it needs.

Who runs forwards of its own (effects, ablation, generation) reads `streams` along with what it wants and asks for
`relative_norm`; who has none yet asks `of`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from ..activations.reader import Reader
from ..arrays import Bools, Floats
from ..dictionary.base import Dictionary
from ..model.site import Site
from ..ticket import Ticket
from .counted import TokenRoles

__all__ = ["Roles"]


class Roles:
    """Token roles around the dictionaries of one engine. Its methods run on the engine's worker.

    Args:
        reader: the engine's.

    Example:
        >>> engine.worker.run(lambda ticket: engine.roles.of([ids], engine.dictionary(), ticket))[0].counted
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def _site(self, dictionary: Dictionary) -> Site:
        return Site(self._reader.model, dictionary)

    def streams(self, dictionary: Dictionary, ticket: Ticket | None = None) -> tuple[str, ...]:
        """The hooks to read in a clean forward for `relative_norm`; () where no norm outliers are looked for."""
        found = self._reader.streams(self._site(dictionary))
        self._reader.references.measure(found, ticket)
        return found

    def relative_norm(self, dictionary: Dictionary, values: Mapping[str, Tensor]) -> Floats | None:
        """[batch, pos] norms in the residual stream in reference norms, for `Counting.roles`; None as `streams` says.

        Args:
            values: hook name to the value of a clean forward, with all of `streams`.
        """
        site = self._site(dictionary)
        if not self._reader.streams(site):
            return None
        relative: Floats = site.relative_norm(values, self._reader.references).cpu().numpy()
        return relative

    def of(
        self,
        texts: Sequence[Sequence[int]],
        dictionary: Dictionary,
        ticket: Ticket | None = None,
        template: Sequence[Bools] | None = None,
    ) -> list[TokenRoles]:
        """What the tokens of `texts` (token ids, each at most the context) are around `dictionary`, by forwards of their own.

        Args:
            template: for each text a mask of the chat template.
        """
        norms = self._reader.relative_norms(texts, self._site(dictionary), ticket)
        return [
            self._reader.counting.roles(
                ids, None if norms is None else norms[i], template=None if template is None else template[i]
            )
            for i, ids in enumerate(texts)
        ]

    def told(self, dictionary: Dictionary) -> str:
        """The rule for norm outliers, in words and numbers, for provenance."""
        factor = self._reader.counting.factor
        if factor is None:
            return "counted like all tokens (outlier_factor=None)"
        streams = self.streams(dictionary)
        if not streams:
            return f"not looked for: there is no residual stream around {dictionary.hook_name}"
        at = " or ".join(f"{self._reader.references[name]:.4g} at {name}" for name in streams)
        return f"norm over {factor:g} × the reference norm ({at})"
