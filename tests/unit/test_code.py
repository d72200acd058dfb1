"""The copied plain code, run in a fresh process without saewidgets, gives the same logits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
import torch

import saewidgets as sw
from saewidgets.engine.text.prompt import read_prompt
from saewidgets.interventions.edit.hooks import Edits
from saewidgets.interventions.edit.plain_code import to_code
from saewidgets.interventions.edit.positions import scope_of
from saewidgets.interventions.recipe.constructors import ablate, add, cap, clamp, orthogonal, replace, scale
from saewidgets.interventions.recipe.intervention import Intervention
from saewidgets.interventions.recipe.recipe import Recipe
from saewidgets.interventions.recipe.units import resolve

PROMPT = "In the beginning God created the heaven"
RECIPES: dict[str, Recipe] = {
    "add": Recipe(
        [add(5, 3), add(6, 2, unit="max", max_activation=1.7), add(7, 0.5, unit="resid"), add(8, 2, unit="own")]
    ),
    "set": Recipe(
        [scale(5, 3), clamp(6, 2.5), clamp(9, 0.4, unit="resid", only_active=True), ablate([7, 8]), replace(10, by=11)]
    ),
    "geometry": Recipe([orthogonal(5, 0.3), cap(6, 0.2, low=-0.1), cap(7, 0.01, unit="resid")]),
    "where": Recipe(
        [
            add(5, 3, positions="prompt"),
            add(6, 3, positions="generated", special=True),
            clamp(7, 2, positions=[1, (3, 5), (7, None)]),
            scale(8, 4, when=(9, 0.1)),
        ]
    ),
    "dropped": Recipe([ablate([5, 6, 7]), add(8, 2)], keep_error=False),
}
Case = tuple[str, str, str, str | None, str]
PRE, MID, Z, MLP = (
    "blocks.1.hook_resid_pre",
    "blocks.1.hook_resid_mid",
    "blocks.0.attn.hook_z",
    "blocks.0.ln2.hook_normalized",
)
BOTH = list(tiny.MODELS)
CASES: list[Case] = [
    *((model, "jumprelu", PRE, None, name) for model in BOTH for name in RECIPES),
    *(("bridge", "standard", MID, None, name) for name in ("add", "set", "dropped")),
    *((model, "skip_transcoder", MLP, "blocks.0.hook_mlp_out", name) for model in BOTH for name in ("set", "dropped")),
    *((model, "standard", Z, None, name) for model in BOTH for name in ("set", "dropped")),
    *(
        ("hooked", arch, PRE, None, name)
        for name, several in {
            "set": ("topk_rescaled", "layer_norm", "constant_norm", "gated", "temporal", "abstopk"),
            "add": ("topk_rescaled", "layer_norm", "constant_norm"),
            "dropped": ("temporal", "layer_norm"),
        }.items()
        for arch in several
    ),
]

_PROGRAM = """
import json, sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, {here!r})
import tiny, torch
for folder, model, arch, hook, out, ids in json.load(open({todo!r})):
    model = tiny.MODELS[model]()
    saes = {{"mine": tiny.sae(arch, hook=hook, hook_out=out)}}
    names = dict(model=model, saes=saes)
    exec(open(folder + "/code.py", encoding="utf-8").read(), names)
    with torch.no_grad(), model.hooks(fwd_hooks=names["fwd_hooks"]):
        torch.save(model(torch.tensor([ids]), return_type="logits"), folder + "/logits.pt")
assert "saewidgets" not in sys.modules
"""


def _name(case: Case) -> str:
    return "-".join(str(part) for part in case if part)


def _engine(case: Case) -> sw.Engine:
    model, arch, hook, out, _ = case
    return sw.Engine(tiny.MODELS[model](), {"mine": tiny.sae(arch, hook=hook, hook_out=out)})


def _ids(engine: sw.Engine) -> tuple[list[int], list[int]]:
    """A prompt, and the prompt with a continuation: the code must know one from the other."""
    prompt = engine.to_ids(PROMPT)[0]
    return prompt, [*prompt, 20, 30, 40, 50]


@pytest.fixture(scope="module")
def fresh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """Logits of the code of every case that is to be run, all from one process that has no saewidgets."""
    folder = tmp_path_factory.mktemp("code")
    todo = []
    run = [getattr(item, "callspec", None) for item in request.session.items if item.path == request.path]
    wanted = [spec.params["case"] for spec in run if spec is not None and "case" in spec.params]
    for case in wanted:
        engine = _engine(case)
        prompt, ids = _ids(engine)
        (folder / _name(case)).mkdir()
        (folder / _name(case) / "code.py").write_text(to_code(engine, prompt, RECIPES[case[-1]]), encoding="utf-8")
        todo.append([str(folder / _name(case)), *case[:-1], ids])
    (folder / "todo.json").write_text(json.dumps(todo))
    program = _PROGRAM.format(here=str(Path(__file__).parent), todo=str(folder / "todo.json"))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {_name(case): torch.load(folder / _name(case) / "logits.pt", weights_only=True) for case in wanted}


def _logits(engine: sw.Engine, recipe: Recipe, ids: list[int], n_prompt: int) -> torch.Tensor:
    prompt = read_prompt(engine, ids[:n_prompt])
    resolved = engine.worker.run(lambda ticket: resolve(engine, recipe, prompt.ids, {}, ticket))
    edits = Edits(engine, [resolved], scope_of(engine, prompt, 1))
    tokens = torch.tensor([ids])
    with torch.no_grad():
        return engine.model.logits(tokens, edits.hooks(tokens))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=_name)
def test_the_code_gives_the_same_logits(case: Case, fresh: dict[str, torch.Tensor]) -> None:
    engine = _engine(case)
    prompt, ids = _ids(engine)
    expected = _logits(engine, RECIPES[case[-1]], ids, len(prompt))
    torch.testing.assert_close(fresh[_name(case)], expected, atol=2e-4, rtol=2e-4)
    with torch.no_grad():
        assert not torch.allclose(engine.model.logits(torch.tensor([ids])), expected, atol=1e-2)


def test_raw_directions_and_neurons_are_written_out(tmp_path: Path) -> None:
    vector = torch.linspace(-1, 2, tiny.D_MODEL)
    hook = "blocks.1.hook_resid_pre"
    engine = sw.Engine(tiny.hooked(), {"mine": tiny.sae()})
    recipe = Recipe(
        [Intervention(direction=tuple(vector.tolist()), hook=hook, kind="ablate"), add(vector, 2, hook=hook)]
    )
    prompt = engine.to_ids(PROMPT)[0]
    namespace: dict[str, object] = {"model": engine.model.raw, "saes": {}}
    exec(to_code(engine, prompt, recipe), namespace)
    tokens = torch.tensor([prompt])
    with torch.no_grad(), engine.model.raw.hooks(fwd_hooks=namespace["fwd_hooks"]):
        found = engine.model.raw(tokens, return_type="logits")
    torch.testing.assert_close(found, _logits(engine, recipe, prompt, len(prompt)), atol=2e-4, rtol=2e-4)


def test_token_by_token_with_a_cache_it_is_the_same(tmp_path: Path) -> None:
    from transformer_lens.cache.key_value_cache import TransformerLensKeyValueCache

    model = tiny.hooked()
    engine = sw.Engine(model, {"mine": tiny.sae()})
    prompt = engine.to_ids(PROMPT)[0]
    namespace: dict[str, object] = {"model": model, "saes": {"mine": tiny.sae()}}
    exec(to_code(engine, prompt, RECIPES["where"]), namespace)
    cache = TransformerLensKeyValueCache.init_cache(model.cfg, "cpu", 1)
    ids = [*prompt, 20, 30, 40, 50]
    with torch.no_grad(), model.hooks(fwd_hooks=namespace["fwd_hooks"]):  # type: ignore[arg-type]
        logits = [model(torch.tensor([prompt]), past_kv_cache=cache)]
        logits += [model(torch.tensor([[token]]), past_kv_cache=cache) for token in ids[len(prompt) :]]
    expected = _logits(engine, RECIPES["where"], ids, len(prompt))
    torch.testing.assert_close(torch.cat(logits, 1), expected, atol=2e-4, rtol=2e-4)


def test_two_saes_of_which_one_writes_where_the_other_reads_a_sum() -> None:
    """On a bridge an edit at resid_mid is made at attn_out, after what is edited there itself."""
    saes = {
        "out": tiny.sae("standard", hook="blocks.1.hook_attn_out"),
        "mid": tiny.sae("standard", hook=MID, seed=2),
    }
    engine = sw.Engine(tiny.bridge(), saes)
    recipe = Recipe([clamp(5, 4, sae="out"), clamp(6, 4, sae="mid"), ablate(7, sae="mid")])
    prompt = engine.to_ids(PROMPT)[0]
    namespace: dict[str, object] = {"model": engine.model.raw, "saes": saes}
    exec(to_code(engine, prompt, recipe), namespace)
    with torch.no_grad(), engine.model.raw.hooks(fwd_hooks=namespace["fwd_hooks"]):
        found = engine.model.raw(torch.tensor([prompt]), return_type="logits")
    torch.testing.assert_close(found, _logits(engine, recipe, prompt, len(prompt)), atol=2e-4, rtol=2e-4)
