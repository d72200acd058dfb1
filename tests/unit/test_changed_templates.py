"""Chat templates that change what is said: the content is found all the same, or it is said that it is not."""

from __future__ import annotations

import pytest
from test_generation_chats import characters, chat_engine

import saewidgets as sw
from saewidgets.engine.text.prompt import read_prompt

AROUND = "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.role }}\nCONTENT<|im_end|>\n{% endfor %}[answer]\n"
MESSAGES = [
    {"role": "system", "content": "Be good & brief."},
    {"role": "user", "content": "In the beginning was the user"},
]


@pytest.mark.parametrize(
    ("filtered", "first", "second"),
    [
        ("{{ m.content | upper }}", "BE GOOD & BRIEF.", "IN THE BEGINNING WAS THE USER"),
        ("{{ m.content | lower }}", "be good & brief.", "in the beginning was the user"),
        ("{{ m.content | title }}", "Be Good & Brief.", "In The Beginning Was The User"),
        ("{{ m.content | replace('e', '3') }}", "B3 good & bri3f.", "In th3 b3ginning was th3 us3r"),
        ("{{ m.content | escape }}", "Be good &amp; brief.", "In the beginning was the user"),
        ("{{ m.content | tojson }}", "Be good & brief.", "In the beginning was the user"),
        ("{{ m.content[:7] }}", "Be good", "In the "),
        ("{{ m.content.split(' ') | join('_') }}", "Be_good_&_brief.", "In_the_beginning_was_the_user"),
    ],
)
def test_content_that_the_template_changes(filtered: str, first: str, second: str) -> None:
    engine = chat_engine(AROUND.replace("CONTENT", filtered))
    made = read_prompt(engine, MESSAGES)
    text = "".join(engine.tokenizer.display(made.ids).strings)
    said, system = (characters(engine, made.ids, mask) for mask in (~made.template, made.system))
    at, then = text.index(first), text.index(second)
    assert said[at : at + len(first)] == first and said[then : then + len(second)] == second
    assert system[at : at + len(first)] == first and set(system[then:]) == {"·"}
    close = {*range(at - 2, at + len(first) + 2), *range(then - 2, then + len(second) + 2)}
    assert all(c == "·" for n, c in enumerate(said) if n not in close), said
    changed = (first, second) != (MESSAGES[0]["content"], MESSAGES[1]["content"])
    assert any("chat template changed" in note and repr(first) in note for note in made.notes) == changed
    found = sw.generate(engine, MESSAGES, sw.add(3, 1), n_tokens=2)
    assert found.edited_at.tolist() == (~made.template).tolist() and found.edited_at.any()
    assert set(made.notes) <= set(found.notes)
    assert set(made.notes) <= set(sw.effects(engine, MESSAGES, sw.add(3, 1)).notes)
    assert set(made.notes) <= set(sw.answer_effects(engine, MESSAGES, " the", sw.add(3, 1)).notes)


@pytest.mark.parametrize("filtered", ["{{ m.content | urlencode }}", "{{ m.content | reverse | upper }}"])
def test_content_that_is_lost_is_said(filtered: str) -> None:
    """Where nothing tells content from template, nothing is edited, and a note says so and names the remedy."""
    engine = chat_engine(AROUND.replace("CONTENT", filtered))
    made = sw.generate(engine, MESSAGES, sw.add(3, 1), n_tokens=2)
    assert not made.edited_at.any()
    assert any("what message 1, 2 says" in note and "prompt as a string" in note for note in made.notes)


def test_a_template_between_whose_words_content_is_ambiguous() -> None:
    """The changed content holds what the template says between messages: two readings, so none is taken."""
    engine = chat_engine("{{ bos_token }}{% for m in messages %}[{{ m.content | upper }}]{% endfor %}")
    made = read_prompt(engine, [{"role": "user", "content": "a][b"}, {"role": "assistant", "content": "c"}])
    assert made.template.all() and any("message 1, 2" in note for note in made.notes)
    made = read_prompt(engine, [{"role": "user", "content": "ab"}, {"role": "assistant", "content": "c"}])
    assert characters(engine, made.ids, ~made.template).replace("·", "").strip("[]") in ("AB][C", "AB]C", "AB[C", "ABC")
