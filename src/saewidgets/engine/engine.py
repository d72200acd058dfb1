"""Engine: a model and one or more dictionaries, ready to be asked.

It owns the worker thread, the lock, the devices and the batch size; it never owns the model or the SAE, which stay
the user's and are never changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

import numpy as np
import torch

from .activations import FeatureActivations
from .dictionary.base import Dictionary
from .dictionary.collect import by_name, columns_of, name_features
from .dictionary.directions import Neurons
from .errors import TokenIdError
from .loading import load_model, load_sae
from .model.model import Model, lock_of
from .predictions import Predictions, Predictor
from .provenance import context_of, describe, prepend_bos_of, same_model, special_of
from .ranking import Ints
from .reading import Reader, flatten
from .results import assemble_result
from .tokens import Tokenizer
from .worker import Progress, Ticket, Worker

if TYPE_CHECKING:
    from .dictionary.collect import Saes
    from .labels import LabelsLike
    from .model.model import AnyModel


class Applicable(Protocol):
    """What can be applied to an engine's model. The engine only reads; whoever writes knows how."""

    def applied_to(self, engine: Engine, **options: object) -> AbstractContextManager[None]:
        """A context manager in which the model is edited."""
        ...


TextInput: TypeAlias = str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]] | torch.Tensor | Ints


class Engine:
    """Computes what widgets show and notebooks ask.

    Args:
        model: `HookedTransformer`, `HookedSAETransformer`, `TransformerBridge` or `SAETransformerBridge`.
        sae: an SAE or transcoder of sae-lens, `Directions`, `Neurons`; or several of them, as a list or a dict by
            name (all are computed in one forward).
        labels: feature index to label, in any form that `labels_from` takes (a dict, also one out of JSON, a pandas Series
            or table, one name a feature); with several dictionaries, a dict of these by name.
        provenance: extra facts shown beside the numbers.
        context_size: longest stretch of text in one forward; default: the model's context. Longer texts are cut.
        prepend_bos: whether a text starts with BOS; default: what the SAE was trained with.
        batch_tokens: tokens of one forward; halved when memory runs out.

    Raises:
        TypeError: if `model` is no TransformerLens model.
        HookNotFoundError, HookDidNotFireError: if a dictionary's hook is not there, or not reached.
        SaeMismatchError: if a dictionary does not fit the model, or two have the same name.
        LabelError: for labels of which it is not clear which feature they name.
        NonFiniteError: if weights are NaN or infinite.

    Example:
        >>> engine = sw.Engine(model, sae)
        >>> engine.activations("In the beginning, God created the heavens and the").top(5)
    """

    def __init__(
        self,
        model: AnyModel,
        sae: Saes,
        *,
        labels: LabelsLike | Mapping[str, LabelsLike] | None = None,
        provenance: Mapping[str, str] | None = None,
        context_size: int | None = None,
        prepend_bos: bool | None = None,
        batch_tokens: int = 8192,
    ) -> None:
        self.model = Model(model)
        self.dictionaries = by_name(sae)
        first = next(iter(self.dictionaries.values()))
        for dictionary in self.dictionaries.values():
            same_model(dictionary, self.model)
        bos = prepend_bos_of(self.dictionaries.values(), self.model) if prepend_bos is None else prepend_bos
        self.tokenizer = Tokenizer(
            self.model.tokenizer,
            prepend_bos=bos,
            d_vocab=int(self.model.cfg.d_vocab),
            extra_special=special_of(self.dictionaries.values()),
        )
        self.lock = lock_of(model)
        """Held while an engine's hooks are on the model. Take it (`with engine.lock:`) to keep every engine out."""
        self.worker = Worker()
        limit = int(self.model.cfg.n_ctx)
        self._reader = Reader(self.model, self.tokenizer, self.lock, batch_tokens, min(context_size or limit, limit))
        self._extra = dict(provenance or {})
        self.default = first.name
        self.worker.run(self._probe)
        if labels is not None:
            name_features(self.dictionaries, labels)

    # -- making one

    @classmethod
    def from_pretrained(
        cls,
        model_name: str | None = None,
        *,
        release: str,
        sae_id: str,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype = "float32",
        labels: LabelsLike | Mapping[str, LabelsLike] | None = None,
    ) -> Engine:
        """An engine on a published SAE of sae-lens, with the model loaded the way the SAE was trained.

        Args:
            model_name: the model; default: the one named in the SAE's metadata.
            release, sae_id: as in `SAE.from_pretrained`.
            device: default: "cuda" if there is one, else "cpu". CUDA asked for and absent is an error.
            dtype: of model and SAE; float32 is what others' numbers are computed in.
            labels: feature index to label, as for `Engine`.

        Example:
            >>> sw.Engine.from_pretrained("gpt2-small", release="gpt2-small-res-jb", sae_id="blocks.7.hook_resid_pre")
        """
        sae = load_sae(release, sae_id, device, dtype)
        model = load_model(model_name, sae, device, dtype)
        return cls(model, {f"{release}/{sae_id}": sae}, labels=labels)

    # -- asking

    def activations(
        self,
        text: TextInput,
        *,
        sae: str | None = None,
        features: Sequence[int] | None = None,
        reconstruction: bool = False,
        on_progress: Progress | None = None,
    ) -> FeatureActivations:
        """Feature activations of a text, several texts, or token ids (which are taken as they are, without a BOS).

        Args:
            text: a string, a list of strings, token ids, or a list or [batch, pos] tensor of token ids.
            sae: which dictionary, if the engine has several; default: the first.
            features: only these features; cheaper where the architecture allows it.
            reconstruction: also the reconstruction error of every token (needs all features).
            on_progress: called with (tokens done, tokens in all), on the worker thread.

        Raises:
            TokenIdError: for ids outside the vocabulary; FeatureIndexError: for a feature outside the dictionary.
            ValueError: for a reconstruction of some features only.
        """
        dictionary = self.dictionary(sae)
        columns = columns_of(dictionary, features)
        if reconstruction and columns is not None:
            raise ValueError("The reconstruction needs every feature: leave out features=, or reconstruction=True.")
        texts = self.to_ids(text)
        return self.worker.run(
            lambda ticket: self._read(texts, [dictionary], columns, reconstruction, ticket)[0], on_progress
        )

    def all_activations(self, text: TextInput, *, reconstruction: bool = False) -> dict[str, FeatureActivations]:
        """Activations of every dictionary of the engine, by name, from one forward."""
        texts, dictionaries = self.to_ids(text), list(self.dictionaries.values())
        results = self.worker.run(lambda ticket: self._read(texts, dictionaries, None, reconstruction, ticket))
        return dict(zip(self.dictionaries, results, strict=True))

    def predictions(
        self,
        prompt: str | Sequence[int],
        answer: str | Sequence[int] | None = None,
        *,
        k: int = 10,
        sae: str | None = None,
    ) -> Predictions:
        """Next-token predictions after `prompt`, and the rank and probability of `answer`, with and without the SAE.

        "With the SAE" is the model with the dictionary's reconstruction spliced in at every position (error dropped),
        as `run_with_saes` does it; None for directions and neurons. The tutorial's `test_prompt`, as numbers.
        """
        ids = self.to_ids(prompt)[0]
        after: list[int] = []
        if answer is not None:
            after = self.tokenizer.answer_ids(answer) if isinstance(answer, str) else self.tokenizer.check_ids(answer)
        predictor = Predictor(self.model, self.tokenizer, self.lock)
        return self.worker.run(lambda ticket: predictor.predict(ids, after, k, self.dictionary(sae), ticket))

    def applied(self, recipe: Applicable, **options: object) -> AbstractContextManager[None]:
        """A context manager in which the user's own calls of the model are edited by `recipe` (a `Recipe`).

        Options as in `saewidgets.interventions.applied`: `text` and `index`, for units that need one.

        Example:
            >>> with engine.applied(sw.Recipe([sw.ablate(16873)])):
            ...     model.generate("The cat", max_new_tokens=20)
        """
        return recipe.applied_to(self, **options)

    def dictionary(self, name: str | None = None) -> Dictionary:
        """The dictionary called `name`; default: the first.

        Raises:
            KeyError: naming those there are.
        """
        if name is None:
            return self.dictionaries[self.default]
        if name not in self.dictionaries:
            raise KeyError(f"The engine has no dictionary {name!r}; it has {', '.join(map(repr, self.dictionaries))}.")
        return self.dictionaries[name]

    def provenance(self, sae: str | None = None) -> dict[str, str]:
        """What was done, beside the numbers: model, SAE, hook, BOS, processing, dtype, versions."""
        return {**describe(self.model, self.dictionary(sae), self.tokenizer), **self._extra}

    @property
    def hook_names(self) -> list[str]:
        """Every hook name of the model."""
        return self.model.hook_names()

    @property
    def context_size(self) -> int:
        """Tokens of the longest stretch of text that goes through the model at once."""
        return self._reader.context_size

    def to_ids(self, text: TextInput) -> list[list[int]]:
        """Token ids, one list per text, under the engine's prompt policy."""
        if isinstance(text, str):
            return [self.tokenizer.encode(text)]
        if isinstance(text, (torch.Tensor, np.ndarray)):
            fractional = text.is_floating_point() if isinstance(text, torch.Tensor) else text.dtype.kind not in "iu"
            if text.ndim not in (1, 2) or fractional:
                raise TokenIdError(
                    f"Token ids must be an integer array [pos] or [batch, pos], not {text.dtype} {tuple(text.shape)}."
                )
            text = cast("Sequence[int] | Sequence[Sequence[int]]", text.tolist())
        if not len(text):
            raise TokenIdError("There is no text: pass a string, a list of strings, or token ids.")
        if all(isinstance(item, str) for item in text):
            return [self.tokenizer.encode(cast(str, item)) for item in text]
        if all(isinstance(item, (int, np.integer)) for item in text):
            return [self.tokenizer.check_ids(cast("Sequence[int]", text))]
        if any(isinstance(item, (str, int, np.integer)) for item in text):
            raise TokenIdError("Texts and token ids are mixed: pass strings only, or token ids only.")
        return [self.tokenizer.check_ids(cast("Sequence[int]", item)) for item in text]

    def close(self) -> None:
        """End the worker thread; waiting requests are answered as cancelled. The model and SAE are not touched."""
        self.worker.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        saes = ", ".join(f"{name!r} ({d.n_features} features)" for name, d in self.dictionaries.items())
        return f"Engine({self.model.name}: {saes})"

    # -- on the worker

    def _read(
        self,
        texts: Sequence[Sequence[int]],
        dictionaries: Sequence[Dictionary],
        columns: Ints | None,
        reconstruction: bool,
        ticket: Ticket,
    ) -> list[FeatureActivations]:
        pieces = self._reader.read(texts, dictionaries, columns, reconstruction, ticket)
        notes = self._notes(texts)
        return [
            assemble_result(texts, of_texts, d, self.tokenizer, columns, self.provenance(d.name), context_of(d), notes)
            for d, of_texts in zip(dictionaries, pieces, strict=True)
        ]

    def _notes(self, texts: Sequence[Sequence[int]]) -> list[str]:
        notes = []
        limit = self._reader.context_size
        cut = max((len(ids) for ids in texts), default=0)
        if cut > limit:
            notes.append(
                f"A text of {cut} tokens is longer than the context of {limit}: it was computed in windows that do not see each other."
            )
        if self._reader.halved:
            notes.append(f"Memory ran out: batches were made smaller ({self._reader.max_tokens} tokens).")
        if self.model.dropout_active():
            notes.append("The model is in training mode and its dropout is on: numbers are random. Call model.eval().")
        return notes

    def _probe(self, ticket: Ticket) -> None:
        """Run one token, so that a wrong hook, a silent hook or a wrong width is an error now and not later."""
        token = torch.tensor([[self.tokenizer.bos_id or 0]], device=self.model.input_device)
        hooks = {h for d in self.dictionaries.values() for h in (d.hook_name, d.hook_name_out) if h}
        with self.lock:
            values = self.model.read(token, sorted(hooks), ticket)
        for dictionary in self.dictionaries.values():
            if isinstance(dictionary, Neurons) and not dictionary.n_features:
                dictionary.n_features = dictionary.d_in = values[dictionary.hook_name].flatten(2).shape[-1]
            flatten(values[dictionary.hook_name], dictionary, self.model)
