"""Engine: a model and one or more dictionaries, ready to be asked.

It owns the worker thread, the lock, the devices and the batch size; it never owns the model or the SAE, which stay
the user's and are never changed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from .activations.assemble import assemble_result
from .activations.reader import Reader
from .activations.result import FeatureActivations
from .arrays import Ints
from .dictionary.base import Dictionary
from .dictionary.collect import by_name, columns_of, name_features
from .made import Made, device_elsewhere
from .model.loading import load_model, load_sae
from .model.model import Model, lock_of
from .model.reference_norms import ReferenceNorms
from .model.site import Site
from .provenance import describe, notes_of_dictionary, numbers_are_others, prepend_bos_of, same_model, special_of
from .text.counted import OUTLIER_FACTOR, Counting
from .text.ends import end_ids_of
from .text.given import Given, TextInput, given
from .text.roles import Roles
from .text.tokenizer import Tokenizer
from .ticket import Progress, Ticket
from .worker import Worker

if TYPE_CHECKING:
    from .dictionary.collect import Saes
    from .given_labels import LabelsLike
    from .model.model import AnyModel


class Engine:
    """Computes what widgets show and notebooks ask.

    Args:
        model: `HookedTransformer`, `HookedSAETransformer`, `TransformerBridge` or `SAETransformerBridge`.
        sae: an SAE or transcoder of sae-lens, `Directions`, `Neurons`; or several of them, as a list or a dict by
            name (all are computed in one forward).
        labels: feature index to label, as `labels_from` takes it; with several dictionaries, a dict of these by name.
        provenance: extra facts shown beside the numbers.
        context_size: longest stretch of text in one forward; default: the model's context. Longer texts are cut.
        prepend_bos: whether a text starts with BOS; default: what the SAE was trained with.
        batch_tokens: tokens of one forward; halved when memory runs out.
        encode_features: features that are encoded at once, where an architecture allows it; default: all, or for wide
            dictionaries (over 131,072 features) blocks that fit. A dictionary on the CPU beside a model on a GPU goes
            there block by block.
        outlier_factor: a token whose norm in the residual stream is over so many times the model's reference norm there (the
            median over a fixed built-in text, in `provenance()`) is left out of statistics; None: none is.

    Raises:
        TypeError: if `model` is no TransformerLens model.
        HookNotFoundError, HookDidNotFireError: if a dictionary's hook is not there, or not reached.
        SaeMismatchError: if a dictionary does not fit the model, or two have the same name.
        LabelError: for labels of which it is not clear which feature they name.
        NonFiniteError: if weights are NaN or infinite.
        ValueError: for `encode_features` below 1.

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
        encode_features: int | None = None,
        outlier_factor: float | None = OUTLIER_FACTOR,
    ) -> None:
        if encode_features is not None and encode_features < 1:
            raise ValueError(f"encode_features={encode_features}: at least one feature is encoded at once.")
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
            end_ids=end_ids_of(self.model),
        )
        self.lock = lock_of(model)
        """Held while an engine's hooks are on the model. Take it (`with engine.lock:`) to keep every engine out."""
        self.worker = Worker()
        self.counting = Counting(self.tokenizer.special_ids, outlier_factor)
        """Which tokens count."""
        size = int(self.model.cfg.n_ctx)
        size = min(context_size or size, size)
        references = ReferenceNorms(self.model, self.lock, self.tokenizer, self.counting, size)
        self._reader = Reader(
            self.model, self.tokenizer, self.lock, batch_tokens, size, self.counting, references, encode_features
        )
        self.roles = Roles(self._reader)
        """What the tokens of a text are, told from the model: for those who run forwards of their own."""
        self._extra = dict(provenance or {})
        self.made: Made[Engine] | None = None
        """The call that made this engine, if it was one that another process can repeat."""
        self.default = first.name
        self.worker.run(self._probe)
        if labels is not None:
            name_features(self.dictionaries, labels)
        for dictionary in self.dictionaries.values():
            for note in numbers_are_others(dictionary, self.model):
                warnings.warn(note, stacklevel=2)

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
        sae_dtype: str | torch.dtype | None = None,
        labels: LabelsLike | Mapping[str, LabelsLike] | None = None,
        on_step: Callable[[str], object] | None = None,
    ) -> Engine:
        """An engine on a published SAE of sae-lens, with the model loaded the way the SAE was trained.

        Args:
            model_name: the model; default: the one named in the SAE's metadata.
            release, sae_id: as in `SAE.from_pretrained`.
            device: default: "cuda" if there is one, else "cpu". CUDA asked for and absent is an error.
            dtype: of model and SAE; float32 is what others' numbers are computed in.
            sae_dtype: of the SAE, if it is another: "float32" beside a model in bfloat16 (what the model gives is cast
                before it is encoded).
            labels: feature index to label, as for `Engine`.
            on_step: told before each step what is loaded next; what it raises ends the loading there.

        Example:
            >>> sw.Engine.from_pretrained("gpt2-small", release="gpt2-small-res-jb", sae_id="blocks.7.hook_resid_pre")
        """
        say = on_step or (lambda _: None)
        say(f"the SAE {sae_id} of {release}")
        sae = load_sae(release, sae_id, device, dtype if sae_dtype is None else sae_dtype)
        say(f"the model {model_name or sae.cfg.metadata.model_name}")
        model = load_model(model_name, sae, device, dtype)
        say("both together")
        engine = cls(model, {f"{release}/{sae_id}": sae}, labels=labels)
        named = {"model_name": model_name, "release": release, "sae_id": sae_id}
        kinds = {"device": device_elsewhere(device), "dtype": dtype, "sae_dtype": sae_dtype}
        engine.made = Made(cls.from_pretrained, {**named, **kinds})
        return engine

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
            text: a string, a list of strings, token ids, a list or [batch, pos] array of token ids, or a tokenizer's
                output with input_ids and attention_mask. Padding is left out: the result is of the tokens without it.
            sae: which dictionary, if the engine has several; default: the first.
            features: only these features; cheaper where the architecture allows it.
            reconstruction: also the reconstruction error of every token (needs all features).
            on_progress: called with (tokens done, tokens in all), on the worker thread.

        Raises:
            TokenIdError: for ids outside the vocabulary, or padding that cannot be told from text.
            FeatureIndexError: for a feature outside the dictionary.
            ValueError: for a reconstruction of some features only.
        """
        dictionary = self.dictionary(sae)
        columns = columns_of(dictionary, features)
        if reconstruction and columns is not None:
            raise ValueError("The reconstruction needs every feature: leave out features=, or reconstruction=True.")
        texts = self.tokenized(text)
        return self.worker.run(
            lambda ticket: self._read(texts, [dictionary], columns, reconstruction, ticket)[0], on_progress
        )

    def all_activations(self, text: TextInput, *, reconstruction: bool = False) -> dict[str, FeatureActivations]:
        """Activations of every dictionary of the engine, by name, from one forward."""
        texts, all_of_them = self.tokenized(text), list(self.dictionaries.values())
        results = self.worker.run(lambda ticket: self._read(texts, all_of_them, None, reconstruction, ticket))
        return dict(zip(self.dictionaries, results, strict=True))

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
        dictionary = self.dictionary(sae)
        told = describe(self.model, dictionary, self.tokenizer)
        blocks = self._reader.encoder.told(dictionary, self.model.input_device)
        if blocks is not None:
            told["encoding"] = blocks
        return {**told, "norm outliers": self.roles.told(dictionary), **self._extra}

    def site(self, dictionary: Dictionary) -> Site:
        """Where a dictionary reads and writes in the model."""
        return Site(self.model, dictionary)

    @property
    def hook_names(self) -> list[str]:
        """Every hook name of the model."""
        return self.model.hook_names()

    @property
    def context_size(self) -> int:
        """Tokens of the longest stretch of text that goes through the model at once."""
        return self._reader.context_size

    def tokenized(self, text: TextInput) -> Given:
        """Token ids, one list per text, under the engine's prompt policy, and what a reader must know about them.

        See `given` for what a text may be, and for what is taken as padding and left out.
        """
        return given(self.tokenizer, text)

    def to_ids(self, text: TextInput) -> list[list[int]]:
        """The token ids of `tokenized`."""
        return self.tokenized(text).ids

    def close(self) -> None:
        """End the worker thread; waiting requests are answered as cancelled. The model and SAE are not touched."""
        self.worker.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        said = (f"{name!r} ({d.n_features} features)" for name, d in self.dictionaries.items())
        return f"Engine({self.model.name}: {', '.join(said)})"

    # -- on the worker

    def _read(
        self,
        read: Given,
        dictionaries: Sequence[Dictionary],
        columns: Ints | None,
        reconstruction: bool,
        ticket: Ticket,
    ) -> list[FeatureActivations]:
        texts = read.ids
        pieces = self._reader.read(texts, dictionaries, columns, reconstruction, ticket)
        return [
            assemble_result(
                texts,
                of_texts,
                d,
                self.tokenizer,
                self.counting,
                columns,
                self.provenance(d.name),
                [*read.notes, *self._notes(texts, d)],
            )
            for d, of_texts in zip(dictionaries, pieces, strict=True)
        ]

    def _notes(self, texts: Sequence[Sequence[int]], dictionary: Dictionary) -> list[str]:
        notes, limit = notes_of_dictionary(dictionary, self.model), self._reader.context_size
        cut = max((len(ids) for ids in texts), default=0)
        if cut > limit:
            notes.append(
                f"A text of {cut} tokens is longer than the context of {limit}: it was computed in windows that do not see each other."
            )
        notes += self._reader.notes
        if self.model.dropout_active():
            notes.append("The model is in training mode and its dropout is on: numbers are random. Call model.eval().")
        return notes

    def _probe(self, ticket: Ticket) -> None:
        """Run a text, so that a wrong hook, a silent hook or a wrong width is an error now and not later."""
        bos = self.tokenizer.bos_id or 0  # a tokenizer larger than the model may have one that the model has not
        token = torch.tensor([[bos if bos < self.tokenizer.d_vocab else 0]], device=self.model.input_device)
        hooks = {h for d in self.dictionaries.values() for h in (d.hook_name, d.hook_name_out) if h}
        with self.lock:
            values = self.model.read(token, sorted(hooks), ticket)
        sites = [*map(self.site, self.dictionaries.values())]
        for site in sites:
            site.dictionary.fit(values[site.read_hook].flatten(2).shape[-1])
            site.flatten(values[site.read_hook])
        self._reader.references.measure([name for site in sites for name in self._reader.streams(site)], ticket)
