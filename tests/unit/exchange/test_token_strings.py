"""Token strings of exports as bytes: spelled ones are read, plain ones stay, and nothing is guessed."""

from __future__ import annotations

import pytest
from tokenizers import pre_tokenizers

from saewidgets.formats.token_strings import pieces, spell


def spelled(text: str) -> str:
    """A text in GPT-2's byte alphabet, by the library that made it."""
    (found,) = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)
    return found[0]


@pytest.mark.parametrize("text", ["ケ", "日本語", "é", "ü", "😀", " naïve", "“quoted”", "\u200b", "а", "§"])
def test_bytes_that_are_spelled_are_read(text: str) -> None:
    assert pieces([spelled(text)]) == [text.encode()]


@pytest.mark.parametrize("text", ["ケ", "日本", " café", "é"])
def test_spaces_may_be_plain_beside_spelled_bytes(text: str) -> None:
    assert pieces([spelled(text).replace("Ġ", " ")]) == [text.encode()]


@pytest.mark.parametrize(
    "text",
    ["", " the", "é", "ł", "ąę", "Žluťoučký", "£5", "日本", "…", "½", "ñ", "�", "\u0000", "</script>", "\u202e", "İ"],
)
def test_plain_text_stays_what_it_is(text: str) -> None:
    assert pieces([text]) == [text.encode()]


def test_a_character_that_is_spread_over_tokens_is_put_together() -> None:
    whole = spelled("a😀ケ")
    assert b"".join(pieces([whole[:2], whole[2:4], whole[4:6], whole[6:]])).decode() == "a😀ケ"
    assert pieces([whole[1:3], " the"]) == [whole[1:3].encode(), b" the"]  # half of one is what it says


def test_other_tokenizers() -> None:
    assert pieces(["▁the", "<0x0A>", "<0xE3>", "Ġthe", "ĠĠx", "Ċ"]) == [b" the", b"\n", b"\xe3", b" the", b"  x", b"\n"]


def test_lone_surrogates_become_text() -> None:
    assert pieces(["\ud83d"]) == ["\ufffd".encode()]


@pytest.mark.parametrize("text", ["ケ", " the", "日本", "\n", "a😀b"])
def test_spelling_bytes_and_reading_them(text: str) -> None:
    assert spell(text.encode()) == text
    for cut in range(1, len(text.encode())):
        parts = [text.encode()[:cut], text.encode()[cut:]]
        assert b"".join(pieces([spell(part) for part in parts])) == text.encode()
