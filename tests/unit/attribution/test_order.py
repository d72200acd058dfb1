"""What can be a cause of what: dictionaries by the order in which a forward comes to their hooks, whatever order they are given in."""

from __future__ import annotations

import random
from typing import Any

import pytest
import tiny

import saewidgets as sw
from saewidgets.attribution.order import earlier, last

AT_OUT = {"hook_out": "blocks.0.hook_mlp_out"}


def dictionaries() -> dict[str, Any]:
    return {
        "embedded": tiny.sae("standard", "blocks.0.hook_resid_pre"),
        "neurons": sw.Neurons("blocks.0.mlp.hook_post"),
        "transcoder": tiny.sae("transcoder", "blocks.0.mlp.hook_in", **AT_OUT),
        "middle": tiny.sae("standard", "blocks.1.hook_resid_mid"),
        "beside": tiny.sae("topk", "blocks.1.hook_resid_mid"),
        "end": tiny.sae("jumprelu", "blocks.1.hook_resid_post"),
    }


CAUSES = {
    "embedded": [],
    "neurons": ["embedded"],
    "transcoder": ["embedded"],  # it reads before the neurons, and writes after them
    "middle": ["transcoder", "neurons", "embedded"],
    "beside": ["transcoder", "neurons", "embedded"],  # of one place, neither is the other's cause
    "end": ["transcoder", "neurons", "embedded"],
}


@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_causes_come_before_the_nearest_first(wrapper: str) -> None:
    names = list(dictionaries())
    random.Random(3).shuffle(names)
    made = dictionaries()
    with sw.Engine(tiny.MODELS[wrapper](), {name: made[name] for name in names}) as engine:
        found = engine.worker.run(lambda _: earlier(engine))
        assert engine.worker.run(lambda _: last(engine)) == "end"
    for name, causes in CAUSES.items():
        places = [one for one in found[name] if one not in ("middle", "beside")]
        assert places == causes, name
    assert set(found["end"][:2]) == {"middle", "beside"}


def test_the_feature_of_no_named_dictionary_is_the_last_one_s() -> None:
    late, early = (tiny.sae("jumprelu", f"blocks.{block}.hook_resid_pre") for block in (1, 0))
    with sw.Engine(tiny.hooked(), {"late": late, "early": early}) as engine:
        active = engine.activations("In the beginning God", sae="late")[-1, :].nonzero()[0]
        found = sw.attribute(engine, "In the beginning God", sw.feature_activation(int(active[0])))
    assert found.dictionaries == ("early",) and "of late on" in found.said[0]
