"""Asks a language model, and remembers every answer: what was paid for is never paid for twice."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias, cast

from ...engine.text.tokenizer import clean
from ...errors import SaewidgetsError
from ...storage.json_log import JsonLog

__all__ = ["AskError", "Asker", "Client", "Message"]

Message: TypeAlias = Mapping[str, str]
"""As the OpenAI protocol has it: {"role": "system" | "user" | "assistant", "content": text}."""
Client: TypeAlias = "str | Callable[[Sequence[Message]], str] | object"
"""The URL of an OpenAI-compatible endpoint, an `openai.OpenAI`, or a function from messages to the answer's text."""

_RETRIES = 8
_TIMEOUT = 120.0
_GIVE_UP = 3


class AskError(SaewidgetsError, RuntimeError):
    """The language model could not be asked, or answered nothing that can be used."""


class Asker:
    """Asks one model.

    Args:
        client: see `Client`. A busy endpoint (429, 5xx, time-outs) is asked again, up to eight times, ever later.
        model: its name at the endpoint; for a function whatever tells it apart from others.
        answers: the file in which answers are kept.
    """

    def __init__(self, client: Client, model: str, answers: Path) -> None:
        self.model = model
        self._ask = _asking(client, model)
        self._log, self._lock = JsonLog(answers), Lock()
        self._known: dict[str, str] = {}
        self._read()

    def _read(self) -> None:
        anew, entries = self._log.news()
        if anew:
            self._known.clear()
        for entry in entries:
            if isinstance(entry.get("key"), str) and isinstance(entry.get("answer"), str):
                self._known[cast(str, entry["key"])] = cast(str, entry["answer"])

    def ask(self, messages: Sequence[Message]) -> str:
        """The answer, from the file if the same was asked of this model before.

        Raises:
            AskError: if there is none.
        """
        key = hashlib.sha256(json.dumps([self.model, [dict(m) for m in messages]]).encode()).hexdigest()[:32]
        with self._lock:
            if key in self._known:
                return self._known[key]
        answer = self._ask(messages)
        if not isinstance(answer, str):
            raise AskError(f"The model answered {type(answer).__name__}, not text.")
        answer = clean(answer)
        with self._lock:
            self._log.append([{"key": key, "model": self.model, "answer": answer}])
            self._read()
        return answer

    def ask_all(
        self,
        several: Sequence[Sequence[Message]],
        parallel: int,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[str | AskError]:
        """The answers in the order of the questions, so many at a time; in place of one that failed, why.

        After three questions in a row of which none was answered the rest is not asked.
        """
        done = failed = 0
        lock = Lock()

        def one(messages: Sequence[Message]) -> str | AskError:
            nonlocal done, failed
            if failed >= _GIVE_UP:
                return AskError("not asked: the questions before it all failed")
            try:
                answer: str | AskError = self.ask(messages)
            except AskError as error:
                answer = error
            with lock:
                done += 1
                failed = failed + 1 if isinstance(answer, AskError) else 0
                progress(done, len(several))
            return answer

        with ThreadPoolExecutor(max(1, parallel)) as pool:
            return [*pool.map(one, several)]


def _asking(client: Client, model: str) -> Callable[[Sequence[Message]], str]:
    if isinstance(client, str):
        try:
            from openai import OpenAI
        except ImportError as error:
            raise AskError("Asking an endpoint needs the openai client: pip install 'saewidgets[explain]'.") from error
        key = os.environ.get("OPENAI_API_KEY") or "none"
        client = OpenAI(base_url=client, api_key=key, max_retries=_RETRIES, timeout=_TIMEOUT)
    create = getattr(getattr(getattr(client, "chat", None), "completions", None), "create", None)
    if create is None:
        if not callable(client):
            raise AskError(
                f"{type(client).__name__} cannot be asked: pass a URL, an openai.OpenAI, or a function from messages to text."
            )
        return _guarded(cast("Callable[[Sequence[Message]], str]", client))

    def ask(messages: Sequence[Message]) -> str:
        answer: Any = create(model=model, messages=[dict(m) for m in messages], temperature=0)
        choices = getattr(answer, "choices", None)
        content = choices[0].message.content if choices else None
        if not content:
            raise AskError("The endpoint's answer has no text.")
        return cast(str, content)

    return _guarded(ask)


def _guarded(ask: Callable[[Sequence[Message]], str]) -> Callable[[Sequence[Message]], str]:
    def guarded(messages: Sequence[Message]) -> str:
        try:
            return ask(messages)
        except AskError:
            raise
        except Exception as error:
            raise AskError(f"{type(error).__name__}: {error}") from error

    return guarded
