"""What the wheel carries, and what importing the package costs."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import tiny

import saewidgets
import saewidgets as sw

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "src" / "saewidgets" / "static"
WIDGETS = json.loads((ROOT / "js" / "widgets.json").read_text("utf-8"))
CARRIED = [
    "saewidgets/__init__.py",
    "saewidgets/py.typed",
    *(f"saewidgets/static/{w}{end}" for w in WIDGETS for end in (".js", ".css", ".snapshot.js")),
    *(f"saewidgets/static/{w}.snapshot.css" for w, how in WIDGETS.items() if how.get("page")),
    "saewidgets/interventions/recipe/kinds.json",
    "saewidgets/widgets/constants.json",
    "saewidgets/demo/assets/cfg.json",
    "saewidgets/demo/assets/sae_weights.safetensors",
    "saewidgets/demo/assets/corpus.parquet",
    "saewidgets/demo/assets/index.tar.xz",
    "saewidgets/demo/assets/quickstart.ipynb",
]
BESIDE = ["CHANGELOG.md", "CITATION.cff", "LICENSE", "README.md", "SECURITY.md", "package-lock.json"]
LARGEST = 30_000_000  # the demo's SAE and index are 26 MB of it


def run(command: list[str], cwd: Path = ROOT, **environment: str) -> str:
    done = subprocess.run(command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_an_index_and_its_dashboard_open_without_torch(tmp_path: Path) -> None:
    """What is to open in milliseconds and without a model loads nothing of a model's seconds."""
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        sw.build_index(
            engine, ["In the beginning God created the heaven"] * 3, tmp_path / "index", progress=False, wait=True
        )
    script = """if True:
        import sys
        import saewidgets as sw
        from saewidgets.widgets.dashboard.asked import AskedFeature
        index = sw.FeatureIndex.open(sys.argv[1])
        dashboard = sw.FeatureDashboard(index=index)
        print(dashboard.info, dashboard.examples, index.features.head(), index.neighbours(3), index.documents)
        dashboard.page()
        dashboard._worker.run(lambda ticket: dashboard._answer("feature", AskedFeature(3), ticket))
        print("loaded:", *sorted({"torch", "scipy", "transformers", "sae_lens", "transformer_lens"} & set(sys.modules)))
    """
    said = run([sys.executable, "-c", script, str(tmp_path / "index")])
    assert said.splitlines()[-1].strip() == "loaded:"


def build(kind: str, out: Path, cwd: Path = ROOT, **environment: str) -> Path:
    """Build what `kind` names (--wheel, --sdist) and return the one file."""
    if importlib.util.find_spec("build") is None or importlib.util.find_spec("hatchling") is None:
        pytest.skip("build and hatchling are not installed")
    run([sys.executable, "-m", "build", "--no-isolation", kind, "--outdir", str(out)], cwd, **environment)
    (found,) = out.iterdir()
    return found


@pytest.fixture(scope="module")
def without_npm_run() -> dict[str, str]:
    """Bundles that are here are taken as they are; where there are none, the hook makes them."""
    return {"SAEWIDGETS_SKIP_JS": "1" if (STATIC / "heatmap.js").exists() else "0"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, without_npm_run: dict[str, str]) -> Path:
    return build("--wheel", tmp_path_factory.mktemp("wheel"), **without_npm_run)


@pytest.mark.slow
@pytest.mark.parametrize("name", CARRIED)
def test_the_wheel_carries(wheel: Path, name: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert archive.getinfo(name).file_size > 0 or name.endswith("py.typed")


@pytest.mark.slow
def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    metadata = pytest.importorskip("packaging.metadata")
    about = f"saewidgets-{saewidgets.__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        said = metadata.Metadata.from_email(archive.read(f"{about}/METADATA"), validate=True)
        assert archive.read(f"{about}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
        assert b"saewidgets = saewidgets.cli:main" in archive.read(f"{about}/entry_points.txt")
    assert (str(said.requires_python), said.license_expression) == (">=3.10", "MIT")
    assert said.summary and said.description_content_type == "text/markdown"
    assert said.description == (ROOT / "README.md").read_text(encoding="utf-8")
    assert {"Typing :: Typed", "Programming Language :: Python :: 3.10"} <= set(said.classifiers)
    assert wheel.stat().st_size < LARGEST


@pytest.mark.slow
def test_nothing_in_the_wheel_tells_where_it_was_made(wheel: Path) -> None:
    places = [str(place).encode() for place in (ROOT, Path(sys.prefix), wheel.parent)]
    with zipfile.ZipFile(wheel) as archive:
        told = [name for name in archive.namelist() if any(place in archive.read(name) for place in places)]
    assert told == []


@pytest.mark.slow
def test_the_wheel_alone_makes_a_page(wheel: Path, tmp_path: Path) -> None:
    """Unpacked and nothing else of ours, and without a Node.js: the demo's index and the dashboard's bundle are in it."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    script = """if True:
        import pathlib, sys, saewidgets as sw
        assert pathlib.Path(sw.__file__).is_relative_to(sys.argv[1]), sw.__file__
        sw.FeatureDashboard(index=sw.load_demo_index(), feature=2717).to_html("page.html")
    """
    site = str(tmp_path / "site")
    run([sys.executable, "-c", script, site], tmp_path, PYTHONPATH=site, PATH=str(tmp_path))
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert " Monday" in page and "saew-dashboard" in page


def imports(tree: ast.AST) -> Iterator[str]:
    """The packages that a module imports when it runs: not for its types alone."""
    if isinstance(tree, ast.If) and ast.unparse(tree.test) == "TYPE_CHECKING":
        return
    if isinstance(tree, ast.Import):
        yield from (alias.name.split(".")[0] for alias in tree.names)
    elif isinstance(tree, ast.ImportFrom) and tree.module and not tree.level:
        yield tree.module.split(".")[0]
    for node in ast.iter_child_nodes(tree):
        yield from imports(node)


def test_what_is_imported_is_declared_with_a_lower_bound() -> None:
    pytest.importorskip("packaging")
    extras = ["demo", "explain", "map", "ray", "search"]
    pinned = run([sys.executable, str(ROOT / "scripts" / "lowest.py"), *extras]).split("\n")
    declared = {line.split("==")[0].lower().replace("_", "-") for line in pinned if "==" in line}
    names = {name for path in (ROOT / "src").rglob("*.py") for name in imports(ast.parse(path.read_text("utf-8")))}
    # A module's package is mostly of its name; pip knows of the others (yaml is PyYAML's).
    known = packages_distributions()
    foreign = names - sys.stdlib_module_names - {"saewidgets"}
    undeclared = {
        name
        for name in foreign
        if not {one.lower().replace("_", "-") for one in (name, *known.get(name, ()))} & declared
    }
    # Those that come with a declared one, which says of which versions.
    undeclared -= {"datasets", "fsspec", "jupyter_server", "tokenizers"}
    assert undeclared == set()


def test_the_wheel_carries_no_sources_of_the_front_end(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert not [name for name in names if name.endswith((".ts", ".tsx", ".map")) or "node_modules" in name]
    assert {name.split("/")[0] for name in names} == {"saewidgets", f"saewidgets-{saewidgets.__version__}.dist-info"}


@pytest.mark.slow
def test_the_sdist_builds_the_same_wheel_where_there_is_no_node(
    wheel: Path, tmp_path: Path, without_npm_run: dict[str, str]
) -> None:
    sdist = build("--sdist", tmp_path / "sdist", **without_npm_run)
    with tarfile.open(sdist) as archive:
        # What the filter is for (links and devices) cannot be in an archive that was just made; 3.10 may lack it.
        safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(tmp_path, **safe)  # type: ignore[arg-type]
        names = archive.getnames()
    tree = tmp_path / sdist.name.removesuffix(".tar.gz")
    (tmp_path / "bin").mkdir()
    nowhere = str(tmp_path / "bin")
    assert shutil.which("npm", path=nowhere) is None
    made_there = build("--wheel", tmp_path / "wheel", tree, PATH=nowhere, SAEWIDGETS_SKIP_JS="0")
    assert {f"{tree.name}/{name}" for name in BESIDE} <= set(names) and sdist.stat().st_size < LARGEST
    # The same bytes: neither the day nor the place nor the tool that unpacked the sources is in a wheel.
    assert made_there.read_bytes() == wheel.read_bytes()
    # And where a bundle is missing, the error names what to install.
    (tree / "src" / "saewidgets" / "static" / "heatmap.js").unlink()
    with pytest.raises(AssertionError, match=r"Install Node\.js 20 or newer"):
        build("--wheel", tmp_path / "another", tree, PATH=nowhere, SAEWIDGETS_SKIP_JS="0")


def test_importing_the_package_imports_no_torch() -> None:
    heavy = "{'torch', 'sae_lens', 'transformer_lens', 'pandas', 'plotly', 'anywidget'}"
    code = f"import sys, saewidgets; print(sorted({heavy} & set(sys.modules)))"
    assert run([sys.executable, "-c", code], PYTHONPATH=str(ROOT / "src")).strip() == "[]"


@pytest.mark.parametrize("name", saewidgets.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(saewidgets, name) is not None
    assert name in dir(saewidgets)
