"""The house rules that a reader relies on: which way imports point, how long a module is, what is never called."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import permutations
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
PACKAGE = "saewidgets"
LONGEST = 330

# folder -> the folders of ours that it may import. cli -> demo, widgets -> {snapshot, ...} -> engine -> storage -> errors.
BASE = {"engine", "errors", "storage"}
LIBRARY = {"attribution", "datasets", "formats", "geometry", "index", "interventions", "snapshot"}
MAY_IMPORT = {
    "errors": set(),
    "storage": {"errors"},
    "engine": {"errors", "storage"},
    "snapshot": set(),
    "interventions": BASE,
    "attribution": BASE | {"formats", "index", "interventions"},
    "formats": {"errors", "storage"},
    "index": BASE | {"formats"},
    "geometry": BASE | {"index"},
    "datasets": BASE | {"index"},
    "widgets": BASE | LIBRARY,
    "demo": BASE | LIBRARY | {"widgets"},
    "cli": BASE | LIBRARY | {"", "demo", "widgets"},  # "": __version__
}


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted((SOURCE / PACKAGE).rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}
every_module = pytest.mark.parametrize("module", MODULES)


def is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def statements(body: list[ast.stmt], deep: bool) -> Iterator[ast.stmt]:
    """The statements that run on import; with `deep` also those in functions and under TYPE_CHECKING."""
    for node in body:
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not deep:
            continue
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, field, [])
            if field == "body" and isinstance(node, ast.If) and is_type_checking(node.test) and not deep:
                continue
            if isinstance(inner, list):
                yield from statements(inner, deep)


def imports(module: str, *, deep: bool) -> set[str]:
    """The modules of ours that a module imports."""
    package = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in statements(TREES[module].body, deep):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                found.add(inner if inner in MODULES else base)
    return {name for name in found if name in MODULES}


def folder(module: str) -> str:
    """engine.model -> engine; the package itself is ""."""
    return module.split(".")[1] if "." in module else ""


def test_every_folder_has_its_arrows_named() -> None:
    assert {folder(name) for name in MODULES} - {""} <= set(MAY_IMPORT)


@every_module
def test_arrows_point_down(module: str) -> None:
    home = folder(module)
    if not home:
        return  # the package's own __init__ names the public API
    wrong = {name for name in imports(module, deep=True) if folder(name) not in MAY_IMPORT[home] | {home}}
    assert not wrong, f"{module} must not import {sorted(wrong)}"


@pytest.mark.parametrize("deep", [False, True], ids=["on import", "in functions and for types"])
def test_no_import_circles(deep: bool) -> None:
    graph = {module: imports(module, deep=deep) - {module} for module in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("import circle: " + " <- ".join(error.args[1]))


@every_module
def test_modules_are_short(module: str) -> None:
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= LONGEST


@every_module
def test_only_dictionaries_ask_what_a_dictionary_is(module: str) -> None:
    """Others ask it for what they need: a new kind of dictionary is a class, and no search for places that know all kinds."""
    if module.startswith(f"{PACKAGE}.engine.dictionary"):
        return
    kinds = {"SaeDictionary", "Directions", "Neurons", "Dictionary"}
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"isinstance", "issubclass"}:
            asked = {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)}
            assert not asked & kinds, ast.unparse(node)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"getattr", "hasattr"}:
            assert not ast.unparse(node.args[0]).endswith("dictionary"), ast.unparse(node)


@every_module
def test_nothing_that_runs_a_file_s_code(module: str) -> None:
    """Weights and tables are data: no pickle in any of its forms."""
    pickles = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & pickles
        elif isinstance(node, ast.ImportFrom):
            assert node.level or (node.module or "").split(".")[0] not in pickles
            assert not (node.module == "torch" and "load" in {alias.name for alias in node.names})
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"torch.load", "pd.read_pickle", "pandas.read_pickle", "eval", "exec"}, called
            for keyword in node.keywords:
                harmless = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                assert keyword.arg != "allow_pickle" or harmless


SCRIPTS = SOURCE.parent / "js" / "src"


@pytest.mark.parametrize("room", ["feature", "table"])
def test_a_shared_room_s_classes_are_its_own_components(room: str) -> None:
    """Style sheets of a page are read together: a class that a shared room gives a look is no widget's name for another thing."""

    def named(path: Path) -> set[str]:
        return set(re.findall(r"\bsaew-[a-z0-9-]+", re.sub(r"/\*.*?\*/", "", path.read_text("utf-8"), flags=re.S)))

    def styled(*rooms: str) -> set[str]:
        return {name for one in rooms for path in (SCRIPTS / one).glob("*.css") for name in named(path)}

    # What everybody stands on; and the kinds of words about a feature, wherever these stand.
    own = styled(room) - styled("page", "controls", "tokens") - {"saew-automatic"}
    assert len(own) > 5
    others = [path for path in SCRIPTS.rglob("*.ts*") if room not in path.relative_to(SCRIPTS).parts[:1]]
    assert {str(path.relative_to(SCRIPTS)): sorted(named(path) & own) for path in others if named(path) & own} == {}


def looks(path: Path) -> Iterator[tuple[str, str, int, set[str]]]:
    """Of each selector of a style sheet: it, its last class, how many classes it has, and what it sets."""
    for selectors, body in re.findall(
        r"([^{}]+)\{([^{}]*)\}", re.sub(r"/\*.*?\*/", "", path.read_text("utf-8"), flags=re.S)
    ):
        for one in selectors.split(","):
            classes = re.findall(r"\.([a-z][a-z0-9-]*)", re.sub(r":where\([^)]*\)", "", one))
            if classes:
                yield (
                    one.strip(),
                    classes[-1],
                    len(classes),
                    {line.split(":")[0].strip() for line in body.split(";")} - {""},
                )


def test_a_widget_s_own_look_is_stronger_than_a_shared_one() -> None:
    """Of an element with a shared class and a widget's own: in a page of several widgets either style sheet may come last."""
    rooms = ("page", "controls", "tokens", "feature", "table")
    shared = [one for room in rooms for path in (SCRIPTS / room).glob("*.css") for one in looks(path)]
    # Anywhere in a widget, and not only inside of something.
    anywhere = [one for one in shared if re.fullmatch(r"(:where\(\.saew\) |\.saew )?\.[a-z0-9-]+", one[0])]
    own = [one for path in (SCRIPTS / "widgets").rglob("*.css") for one in looks(path)]
    together = {
        pair
        for path in SCRIPTS.rglob("*.tsx")
        for literal in re.findall(r"[\"`]([^\"`\n]*saew-[^\"`\n]*)[\"`]", path.read_text("utf-8"))
        for pair in permutations(set(re.findall(r"saew-[a-z0-9-]+", literal)), 2)
    }
    assert {("saew-bar", "saew-for"), ("saew-small", "saew-ended")} <= together
    weak = {
        (mine, theirs)
        for mine, name, strength, sets in own
        for theirs, other, theirs_strength, others in anywhere
        if (other, name) in together and strength <= theirs_strength and sets & others
    }
    assert weak == set()


def widget_classes() -> dict[str, str]:
    """Class -> bundle, of every class that names one."""
    return {
        node.name: ast.literal_eval(keyword.value)
        for module in MODULES
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.ClassDef)
        for keyword in node.keywords
        if keyword.arg == "bundle"
    }


@pytest.mark.slow
def test_every_widget_is_registered_and_has_its_folders() -> None:
    """One line in js/widgets.json: the bundles, the wheel, their budgets follow from it."""
    registered = json.loads((SOURCE.parent / "js" / "widgets.json").read_text("utf-8"))
    assert sorted(widget_classes().values()) == sorted(registered)
    for name in registered:
        assert (SOURCE / PACKAGE / "widgets" / name / "widget.py").exists(), name
        assert (SOURCE.parent / "js" / "src" / "widgets" / name / "index.tsx").exists(), name
    public = (SOURCE / PACKAGE / "__init__.py").read_text("utf-8")
    for name in widget_classes().keys() - {"WorkbenchBar"}:  # a part of what `explore` gives
        assert f'"{name}": "widgets.' in public, name


# What reads a screen once, and may find what was there before an answer came or was drawn.
READS_ONCE = {
    *("all_inner_texts", "all_text_contents", "bounding_box", "count", "evaluate_all", "get_attribute", "inner_html"),
    *(
        "inner_text",
        "input_value",
        "is_checked",
        "is_disabled",
        "is_enabled",
        "is_hidden",
        "is_visible",
        "text_content",
    ),
}
BROWSER = sorted((Path(__file__).parents[1] / "browser").glob("test_*.py"))


@pytest.mark.parametrize("path", BROWSER, ids=lambda path: path.stem)
def test_a_browser_test_waits_for_what_it_asserts(path: Path) -> None:
    """`expect` and `sees` ask again until it is so."""
    asserted = [node.test for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Assert)]
    calls = [node for test in asserted for node in ast.walk(test) if isinstance(node, ast.Call)]
    once = [
        ast.unparse(call) for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr in READS_ONCE
    ]
    assert once == []
