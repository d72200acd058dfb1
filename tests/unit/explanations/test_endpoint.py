"""An endpoint that speaks the OpenAI protocol: busy, limited, broken, and at last answering."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from served import serving

from saewidgets.index.autointerp.ask import Asker, AskError

MESSAGES = [{"role": "user", "content": "what?"}]


class Endpoint(ThreadingHTTPServer):
    """Answers with the statuses that it is told to, then with text."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses: list[int] = []
        self.text: object = "an answer"
        self.bodies: list[dict[str, object]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def log_message(self, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append({**body, "path": self.path})
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        message = {"role": "assistant", "content": self.server.text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        answer = {"id": "1", "object": "chat.completion", "created": 0, "model": body["model"], "choices": [choice]}
        content = json.dumps(answer if status == 200 else {"error": {"message": "busy"}}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("retry-after-ms", "1")
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving(Endpoint()) as server:
        yield server


@pytest.mark.slow
def test_it_fails_twice_and_limits_once_and_then_answers(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.statuses = [500, 503, 429]
    asker = Asker(endpoint.url, "llama", tmp_path / "answers.jsonl")
    assert asker.ask(MESSAGES) == "an answer" and len(endpoint.bodies) == 4
    assert endpoint.bodies[-1]["messages"] == MESSAGES and endpoint.bodies[-1]["model"] == "llama"
    assert endpoint.bodies[-1]["path"] == "/v1/chat/completions" and endpoint.bodies[-1]["temperature"] == 0
    assert Asker(endpoint.url, "llama", tmp_path / "answers.jsonl").ask(MESSAGES) == "an answer"
    assert len(endpoint.bodies) == 4, "what was answered is not asked again"


@pytest.mark.slow
@pytest.mark.parametrize("status", [400, 401, 404])
def test_what_asking_again_does_not_mend_is_told(status: int, endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.statuses = [status]
    with pytest.raises(AskError, match=str(status)):
        Asker(endpoint.url, "llama", tmp_path / "answers.jsonl").ask(MESSAGES)
    assert len(endpoint.bodies) == 1


@pytest.mark.slow
def test_an_answer_without_text_is_none(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.text = None
    with pytest.raises(AskError, match="no text"):
        Asker(endpoint.url, "llama", tmp_path / "answers.jsonl").ask(MESSAGES)


@pytest.mark.slow
def test_after_three_failures_in_a_row_the_rest_is_not_asked(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.statuses = [401] * 100
    asker = Asker(endpoint.url, "llama", tmp_path / "answers.jsonl")
    answers = asker.ask_all([[{"role": "user", "content": str(i)}] for i in range(50)], parallel=1)
    assert all(isinstance(answer, AskError) for answer in answers) and len(endpoint.bodies) == 3
