"""Chats: templates, their masks, system messages, thinking."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from generation_made import PROMPT, TEMPLATE, chat_engine, engine_of, engine_with, tokenizer_with

import saewidgets as sw
from saewidgets.engine.text.prompt import read_prompt
from saewidgets.errors import SaewidgetsError
from saewidgets.interventions.edit.positions import scope_of
from saewidgets.interventions.generation.generate import generate
from saewidgets.interventions.recipe.constructors import add
from saewidgets.interventions.recipe.recipe import Recipe

UNTRIMMED = TEMPLATE.replace("|trim", "")


NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('No system messages, please.') }}{% endif %}" + TEMPLATE
)


THINKING = "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content.split('</think>')[-1] }}{% endfor %}[assistant]<think>"


CHAT = [
    {"role": "system", "content": "Be good."},
    {"role": "user", "content": "In the beginning"},
    {"role": "assistant", "content": "God created 日本"},
    {"role": "user", "content": "user"},
]


def characters(engine: sw.Engine, ids: Sequence[int], mask: np.ndarray) -> str:
    """The text of the tokens in `mask`, the others as dots."""
    strings = engine.tokenizer.display(ids).strings
    return "".join(text if inside else "·" * len(text) for text, inside in zip(strings, mask, strict=True))


@pytest.mark.parametrize("template", [TEMPLATE, UNTRIMMED])
def test_masks_of_a_chat(template: str) -> None:
    engine = chat_engine(template)
    made = read_prompt(engine, CHAT)
    text = "".join(engine.tokenizer.display(made.ids).strings)
    wanted = "<|bos|>" + "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in CHAT)
    assert text == wanted + "<|im_start|>assistant\n" and made.chat
    # Tokens that hold a part of what is said count as said.
    parts = wanted.replace("<|im_end|>\n", "\x00").replace("<|im_start|>", "\x00").split("\x00")
    said = characters(engine, made.ids, ~made.template)
    for message, part in zip(CHAT, parts[1::2], strict=True):
        assert part == f"{message['role']}\n{message['content']}"
    places, at = [], 0
    for message in CHAT:
        at = wanted.index(f"<|im_start|>{message['role']}\n", at) + len(f"<|im_start|>{message['role']}\n")
        places.append((at, at + len(message["content"])))
        assert said[at : at + len(message["content"])] == message["content"]
    outside = [n for n in range(len(said)) if not any(a - 1 <= n <= b for a, b in places)]
    assert all(said[n] == "·" for n in outside), said
    system = characters(engine, made.ids, made.system)
    assert system[places[0][0] : places[0][1]] == "Be good." and set(system[places[0][1] + 1 :]) == {"·"}
    found = generate(engine, CHAT[:2], add(3, 1), n_tokens=2)
    assert any("chat template" in note for note in found.notes)
    assert found.edited_at.tolist() == (~found.prompt.template).tolist()
    without = generate(engine, CHAT[:2], Recipe(add(3, 1), system=False), n_tokens=2)
    assert without.edited_at.tolist() == (~found.prompt.template & ~found.prompt.system).tolist()
    assert generate(engine, CHAT[:2], add(3, 1, special=True), n_tokens=2).edited_at.all()


@pytest.mark.parametrize("template", [TEMPLATE, UNTRIMMED])
@pytest.mark.parametrize(
    "content", ["user", "s", "\n", "  padded  ", "", "<|im_start|>user\nuser<|im_end|>", "assistant\n", "0"]
)
def test_messages_that_say_what_the_template_says(template: str, content: str) -> None:
    engine = chat_engine(template)
    messages = [{"role": "user", "content": content}, {"role": "assistant", "content": "the"}]
    made = read_prompt(engine, messages)
    shown = content.strip() if "trim" in template else content
    start = len("<|bos|><|im_start|>user\n")
    text = "".join(engine.tokenizer.display(made.ids).strings)
    assert text.startswith(f"<|bos|><|im_start|>user\n{shown}<|im_end|>\n<|im_start|>assistant\nthe<|im_end|>")
    said = characters(engine, made.ids, ~made.template)
    after = start + len(shown + "<|im_end|>\n<|im_start|>assistant\n")
    assert said[start : start + len(shown)] == shown and said[after : after + 3] == "the"
    close = (
        [*range(start - 1, start + len(shown) + 1), *range(after - 1, after + 4)]
        if shown
        else range(after - 1, after + 4)
    )
    assert all(c == "·" for n, c in enumerate(said) if n not in close), said


def test_a_system_message_in_the_middle() -> None:
    engine = chat_engine()
    made = read_prompt(engine, [CHAT[1], CHAT[0], CHAT[3], CHAT[0]])
    text = "".join(engine.tokenizer.display(made.ids).strings)
    system = characters(engine, made.ids, made.system)
    at = [n for n in range(len(text)) if text.startswith("Be good.", n)]
    close = {n for start in at for n in range(start - 1, start + 9)}
    assert len(at) == 2 and all(system[n : n + 8] == "Be good." for n in at)
    assert all(c == "·" for n, c in enumerate(system) if n not in close), system


def test_a_template_that_looks_at_what_is_said() -> None:
    engine = chat_engine(THINKING)
    made = read_prompt(
        engine,
        [{"role": "user", "content": "God"}, {"role": "assistant", "content": "<think>hm</think>created"}],
    )
    assert "".join(engine.tokenizer.display(made.ids).strings) == "<|bos|>[user]God[assistant]created[assistant]<think>"
    said = characters(engine, made.ids, ~made.template)
    assert "God" in said and "assistant" not in said and "user" not in said


def test_a_template_that_refuses() -> None:
    with pytest.raises(SaewidgetsError, match="No system messages, please"):
        read_prompt(chat_engine(NO_SYSTEM), CHAT)
    assert read_prompt(chat_engine(NO_SYSTEM), CHAT[1:]).chat
    for wrong in ([{"role": "user"}], [{"role": "user", "content": 3}], [{"content": "x"}], [{}]):
        with pytest.raises(SaewidgetsError, match="message"):
            read_prompt(chat_engine(), wrong)


def test_no_template() -> None:
    with pytest.raises(SaewidgetsError, match="no chat template.*string.*chat_template"):
        generate(engine_of("hooked"), CHAT, n_tokens=2)


def test_thinking_tokens_are_found() -> None:
    engine = engine_of("hooked")
    assert scope_of(engine, read_prompt(engine, PROMPT), 1).think is None
    engine = engine_with(tokenizer_with(tokens=["<think>", "</think>"]))
    prompt = "the<think>God</think>earth"
    found = generate(engine, prompt, Recipe(add(3, 1), thinking=False), n_tokens=2)
    shown = characters(engine, found.prompt.ids, found.edited_at)
    assert shown.replace("·", "") == "theearth"
    assert generate(engine, prompt, add(3, 1), n_tokens=2).edited_at.sum() == len(found.prompt) - 1
