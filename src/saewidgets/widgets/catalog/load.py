"""Loading a published SAE and its model, step by step, and what to do where the hub is out of reach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...engine.ticket import Ticket
from ...errors import CancelledError, HubError

if TYPE_CHECKING:
    from ...engine.engine import Engine
    from ...engine.model.model import AnyModel
    from .directory import Entry

__all__ = ["load_engine"]

# Names of errors of huggingface_hub, requests, httpx and urllib3 that say: there was no way to the hub. They are told by name,
# for which of these libraries is underneath changes with its version.
_UNREACHED = {
    "ConnectError",
    "ConnectTimeout",
    "ConnectionError",
    "LocalEntryNotFoundError",
    "MaxRetryError",
    "NameResolutionError",
    "OfflineModeIsEnabled",
    "ProxyError",
    "ReadTimeout",
}
_REFUSED = {"GatedRepoError", "RepositoryNotFoundError"}
_SAYS_SO = ("couldn't connect to", "offline mode", "HF_HUB_OFFLINE")
# Their loaders ask the hub for the shapes of the files, which no cache keeps.
_ASKS_EACH_TIME = {"gemma_3", "mntss_clt_layer_transcoder"}


MODEL = "the model "
"""How `Engine.from_pretrained` says that it is at the model."""


def load_engine(entry: Entry, model: AnyModel | None, device: str, dtype: str, ticket: Ticket) -> Engine:
    """The SAE of `entry` with its own model, or with `model`.

    Between the steps it can be cancelled. A download or a file that is being read goes on to its end.

    Raises:
        HubError: if files are neither here nor to be had, saying what helps. CancelledError: if it was cancelled.
    """
    import torch

    from ...engine.engine import Engine
    from ...engine.model.loading import load_sae

    doing = ""

    def step(what: str) -> None:
        nonlocal doing
        ticket.check()
        doing = what
        ticket.part({"step": what})

    names = {"release": entry.release, "sae_id": entry.sae_id}
    try:
        # On a thread of one's own, whose grad mode nobody has set.
        with torch.enable_grad():
            if model is None:
                return Engine.from_pretrained(**names, device=device or None, dtype=dtype, on_step=step)
            step(f"the SAE {entry.sae_id} of {entry.release}")
            sae = load_sae(**names, device=device or str(model.cfg.device), dtype=dtype)
            step("the SAE together with your model")
            return Engine(model, {f"{entry.release}/{entry.sae_id}": sae})
    except CancelledError:
        raise
    except Exception as error:
        advice = _advice(error, entry, doing, own_model=model is not None)
        if advice is None:
            raise
        raise HubError(advice) from error


def _advice(error: BaseException, entry: Entry, doing: str, own_model: bool) -> str | None:
    """What to do about a file that was not to be had; None for any other failure."""
    kinds = {kind.__name__ for one in _chain(error) for kind in type(one).__mro__}
    said = " ".join(str(one) for one in _chain(error))
    what = doing or f"the SAE {entry.sae_id} of {entry.release}"
    of_model = what.startswith(MODEL)
    repo = _repository(what.removeprefix(MODEL)) if of_model else entry.repo_id
    if kinds & _REFUSED:
        return (
            f"The Hugging Face hub does not hand out {repo}, which holds {what}: some repositories want a licence accepted first. "
            "Accept it on the repository's page, log in (`hf auth login`, or HF_TOKEN in the environment), and load again."
        )
    if not (kinds & _UNREACHED or any(words in said for words in _SAYS_SO)):
        return None
    offline = " (HF_HUB_OFFLINE is set)" if _is_offline() else ""
    lines = [
        f"Could not load {what}: the Hugging Face hub is out of reach{offline}, and {repo} is not in the cache, {_cache()}.",
        "What helps:",
    ]
    if entry.loader in _ASKS_EACH_TIME and not of_model:
        lines += [
            "\u2022 sae-lens asks the hub about the files of this release each time, so that a cache is not enough. Where there is "
            "a network, load it and save it with sae.save_model(folder); then, here: "
            "sw.Engine(model, sae_lens.SAE.load_from_disk(folder)).",
        ]
    else:
        folder = f' --include "{entry.path}*"' if entry.path and not of_model else ""
        lines += [
            f"\u2022 where there is a network, run: hf download {repo}{folder}",
            "\u2022 copy the cache from there (~/.cache/huggingface) to this machine, and start Python with HF_HOME set to that "
            "folder and HF_HUB_OFFLINE=1.",
        ]
    if of_model and not own_model:
        lines.append("\u2022 with a model that you have, only the SAE is loaded: sw.SAEBrowser(model=model).")
    elif entry.loader not in _ASKS_EACH_TIME:
        lines.append("\u2022 an SAE on disk needs no hub: sw.Engine(model, sae_lens.SAE.load_from_disk(folder)).")
    return "\n".join(lines)


def _repository(model: str) -> str:
    """Where the hub has a model, which TransformerLens may know by a shorter name."""
    from transformer_lens.loading_from_pretrained import get_official_model_name

    try:
        return str(get_official_model_name(model))
    except ValueError:
        return model


def _is_offline() -> bool:
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def _cache() -> str:
    from huggingface_hub import constants

    return str(constants.HF_HUB_CACHE)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it came of."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
