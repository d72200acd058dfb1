"""SAEBrowser: the published SAEs that sae-lens knows, to search, to read about and to load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import traitlets

from ...engine.worker import Worker
from ...errors import nearest
from ...snapshot.fallback import fallback
from .. import wire
from ..base import EngineWidget
from ..channel import channel
from ..constants import ROWS
from ..shot import Question, Shot
from ..table.asked import Summary
from ..table.columns import summary
from ..table.filters import betweens, starts, valid_filters
from ..traits import JsonTrait
from .asked import Chosen, Details, Load, Rows
from .code import engine_code
from .details import OwnModel, Ready, details
from .directory import directory
from .fields import FIELDS, config_of
from .load import load_engine
from .saes import saes_of

if TYPE_CHECKING:
    import pandas as pd

    from ...engine.engine import Engine
    from ...engine.model.model import AnyModel
    from ...engine.ticket import Ticket

_FALLBACK_ROWS = 25
_PULSE = 0.02
_FALLBACK_COLUMNS = ("model", "release", "sae_id", "hook_name", "layer", "width", "l0", "variance_explained")


class SAEBrowser(EngineWidget, bundle="catalog"):
    """Every SAE in sae-lens' directory in one table: searched, filtered, sorted; details of one, and loading it.

    The directory comes with sae-lens, so listing needs no network and no torch. What it does not say is read off the names
    where these say it plainly, and is unknown otherwise.

    Args:
        model: a TransformerLens model that SAEs are loaded into; default: each is loaded with its own model.
        **traits: any of the traits below.

    Traits (both ways):
        selected: the SAE that was clicked last, as a dict of what is known of it, or None. To set it, release and sae_id do.
        query: beginnings of words that all occur in an SAE's model, release, id or hook, in any order.
        of_model, architecture: only SAEs of this model, of this architecture; "": any.
        sort: a column ("model", "release", "sae_id", "hook_name", "architecture", "layer", "width", "l0",
            "variance_explained"), or "": by model, release and id. descending: from the last to the first.
        filters: column of numbers to [low, high], both within; None: no bound. An SAE without the number is in no range.
        theme, error: see `EngineWidget`.

    Raises:
        DirectoryError: if sae-lens' directory cannot be read. TypeError: for an unknown setting, or a model that is none of
            TransformerLens's.

    Example:
        >>> browser = sw.SAEBrowser(query="gpt2-small res-jb")
        >>> browser                       # in a notebook cell: shows it
        >>> browser.selected              # {"release": "gpt2-small-res-jb", "sae_id": "blocks.7.hook_resid_pre", ...}
        >>> engine = browser.load()       # as the button does; then it is browser.engine, too
    """

    selected = JsonTrait(allow_none=True, default_value=None).tag(sync=True, page=True)
    query = traitlets.Unicode("").tag(sync=True, page=True)
    of_model = traitlets.Unicode("").tag(sync=True, page=True)
    architecture = traitlets.Unicode("").tag(sync=True, page=True)
    sort = traitlets.Unicode("").tag(sync=True, page=True)
    descending = traitlets.Bool(False).tag(sync=True, page=True)
    filters = JsonTrait().tag(sync=True, page=True)

    def __init__(self, model: AnyModel | None = None, **traits: object) -> None:
        self._model = model
        self._own = None if model is None else OwnModel(model)
        self._saes = saes_of(directory())
        # What loaded SAEs said of themselves, by release and id; and what the engine is.
        self._configs: dict[tuple[str, str], dict[str, Any]] = {}
        self._ready: Ready | None = None
        # A download takes minutes, in which the table must answer: loading has a thread of its own.
        self._loader = Worker()
        super().__init__(None, **traits)

    # -- traits

    @traitlets.validate("selected")
    def _valid_selected(self, proposal: Mapping[str, Any]) -> dict[str, wire.Json] | None:
        value = proposal["value"]
        if value is None:
            return None
        names = [value.get(name) for name in ("release", "sae_id")]
        if not all(isinstance(name, str) for name in names):
            raise traitlets.TraitError(f"selected is a dict with release and sae_id, or None; not {value!r}.")
        try:
            return self._saes.row(self._saes.place(*names))
        except LookupError as error:
            raise traitlets.TraitError(f"selected of SAEBrowser: {error}") from None

    @traitlets.validate("query")
    def _valid_query(self, proposal: Mapping[str, Any]) -> str:
        return wire.sendable(proposal["value"])

    @traitlets.validate("of_model", "architecture")
    def _valid_choice(self, proposal: Mapping[str, Any]) -> str:
        trait, value = proposal["trait"].name, proposal["value"]
        known = self._saes.values("model" if trait == "of_model" else trait)
        if value and value not in known:
            near = nearest(value, known) or known[:5]
            raise traitlets.TraitError(f"No SAE has the {trait} {value!r}. Nearest: {', '.join(map(repr, near))}.")
        return cast(str, value)

    @traitlets.validate("sort")
    def _valid_sort(self, proposal: Mapping[str, Any]) -> str:
        known = ["", *self._saes.sortable]
        if proposal["value"] not in known:
            raise traitlets.TraitError(f"sort is one of {', '.join(map(repr, known))}, not {proposal['value']!r}.")
        return cast(str, proposal["value"])

    @traitlets.validate("filters")
    def _valid_filters(self, proposal: Mapping[str, Any]) -> dict[str, wire.Json]:
        return valid_filters(proposal["value"], self._saes.numbers)

    # -- headless

    @property
    def engine(self) -> Engine:
        """The engine on the SAE that was loaded last.

        Raises:
            RuntimeError: before anything was loaded, and after `close()`.
        """
        if self._engine is None and not self._closed:
            raise RuntimeError("Nothing is loaded yet: press Load in the widget, or call load().")
        return super().engine

    def load(
        self, release: str | None = None, sae_id: str | None = None, *, device: str = "", dtype: str = "float32"
    ) -> Engine:
        """Load an SAE and its model (or the SAE alone, into the model that the widget was made with); default: the selected one.

        Raises:
            ValueError: if none is named or selected. LookupError: if there is none of this name.
            HubError: if files are neither here nor to be had; it says what helps.
        """
        if release is None or sae_id is None:
            if release is not None or sae_id is not None or self.selected is None:
                raise ValueError("Name a release and a sae_id, or select an SAE first.")
            release, sae_id = str(self.selected["release"]), str(self.selected["sae_id"])
        asked = Load(release, sae_id, device, dtype)
        return self._worker.run(lambda ticket: self._load(asked, ticket))

    def to_pandas(self) -> pd.DataFrame:
        """The rows of the table, in its order; None or NaN where nothing is known."""
        import pandas as pd

        rows = [self._saes.row(int(at)) for at in self._saes.listed(self._chosen())]
        table = pd.DataFrame(rows, columns=["release", "sae_id", *(name for name in FIELDS)])
        whole = dict.fromkeys(("layer", "width"), "Int64")
        return table.astype({**whole, "l0": float, "variance_explained": float})

    def code(self, *, device: str = "", dtype: str = "float32") -> str:
        """Python that loads the selected SAE as `load` does.

        Raises:
            ValueError: if none is selected.
        """
        if self.selected is None:
            raise ValueError("Select an SAE first.")
        names = str(self.selected["release"]), str(self.selected["sae_id"])
        return engine_code(*names, device, dtype, self._model is not None)

    def _chosen(self) -> Chosen:
        return Chosen(self.query, self.of_model, self.architecture, self.sort, self.descending, betweens(self.filters))

    def __repr__(self) -> str:
        chosen = "" if self.selected is None else f"{self.selected['release']!r}, {self.selected['sae_id']!r}"
        return f"SAEBrowser({len(self._saes):,} SAEs, selected={chosen or None})"

    # -- answers

    @channel("rows", Rows)
    def _answer_rows(self, asked: Rows, _ticket: Ticket) -> wire.Reply:
        return self._saes.window(asked.chosen, asked.first, asked.count, self._fits)

    @channel("summary", Summary)
    def _answer_summary(self, _asked: Summary, _ticket: Ticket) -> wire.Reply:
        made = summary(self._saes.numbers)
        left_out = self._saes.left_out
        facts: dict[str, wire.Json] = {
            "models": cast("list[wire.Json]", self._saes.values("model")),
            "architectures": cast("list[wire.Json]", self._saes.values("architecture")),
            "model": self._own.name if self._own else "",
            "fitting": [name for name in self._saes.values("model") if self._fits(name)],
            "provenance": [[key, value] for key, value in self._provenance()],
            "notes": [f"{left_out} entries of the directory name no SAE and are left out."] if left_out else [],
        }
        return wire.Reply({**made.data, **facts}, made.arrays)

    @channel("details", Details)
    def _answer_details(self, asked: Details, _ticket: Ticket) -> wire.Reply:
        config = self._configs.get((asked.release, asked.sae_id))
        return details(asked, self._saes, config, self._own, self._ready)

    @channel("load", Load, long=True)
    def _answer_load(self, asked: Load, ticket: Ticket) -> wire.Reply:
        self._load(asked, ticket)
        return wire.Reply({"loaded": True})

    def _load(self, asked: Load, ticket: Ticket) -> Engine:
        entry = self._saes.entry(asked.release, asked.sae_id)
        job = self._loader.submit(
            lambda inner: load_engine(entry, self._model, asked.device, asked.dtype, inner), on_part=ticket.part
        )
        try:
            while not job.finished.wait(_PULSE):
                ticket.breathe()
        except BaseException:
            job.cancel()  # before its next step
            raise
        if job.error is not None or job.result is None:
            raise job.error or RuntimeError("Nothing was loaded.")
        self._configs[entry.release, entry.sae_id] = config_of(job.result)
        self._engine, self._ready = job.result, Ready.of(asked, job.result)
        # Every view of this widget asks for its details again: there is an engine now, and more is known of its SAE.
        self._renamed()
        return job.result

    def _fits(self, model: str) -> bool | None:
        return None if self._own is None else self._own.fits(model)

    def _provenance(self) -> list[tuple[str, str]]:
        from importlib.metadata import version

        releases = len({entry.release for entry in self._saes.entries})
        return [("directory", f"sae-lens {version('sae-lens')}"), ("releases", f"{releases:,}")]

    def close(self) -> None:
        """Stop what loads, and let go of the engine, which goes on working for whoever has it."""
        if "_loader" in self.__dict__:
            self._loader.close()
        super().close()

    # -- pictures without a kernel

    def fallback_html(self) -> str:
        listed = self._saes.listed(self._chosen())
        rows = [self._saes.row(int(at)) for at in listed[:_FALLBACK_ROWS]]
        return fallback(
            heading=f"{len(listed):,} of {len(self._saes):,} SAEs",
            tokens=[],
            left_out=0,
            caption=f"The first {len(rows)} rows of the table",
            columns=[name.replace("_", " ") for name in _FALLBACK_COLUMNS],
            rows=[[_short(row[name]) for name in _FALLBACK_COLUMNS] for row in rows],
            provenance=self._provenance(),
            notes=[],
        )

    def shot(self, *, rows: int = 500, cards: int = 50) -> Shot:
        """The table as it is sorted and filtered now, with the details of the selected SAE.

        Args:
            rows: how many of its rows a page has. cards: of how many of them the details.
        """
        chosen = self._chosen()
        listed = self._saes.listed(chosen)
        shown = [self._saes.entries[int(at)] for at in listed[: min(cards, rows)]]
        names = [(one.release, one.sae_id) for one in shown]
        if self.selected is not None:
            names.insert(0, (str(self.selected["release"]), str(self.selected["sae_id"])))
        asked = [Details(*one) for one in dict.fromkeys(names)]
        return Shot(
            title="Published SAEs",
            state={},
            questions=[
                Question("summary", Summary()),
                *(Question("rows", Rows(chosen, first, ROWS)) for first in starts(rows, len(listed))),
                *(Question("details", one) for one in asked),
            ],
            fallback=self.fallback_html(),
            provenance=self._provenance(),
        )


def _short(value: wire.Json) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
