"""What the wheel carries, and what importing the package costs."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
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
]


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


def test_the_wheel_carries_no_sources_of_the_front_end(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert not [name for name in names if name.endswith((".ts", ".tsx", ".map")) or "node_modules" in name]
    assert {name.split("/")[0] for name in names} == {"saewidgets", f"saewidgets-{saewidgets.__version__}.dist-info"}


@pytest.mark.slow
def test_the_sdist_builds_where_there_is_no_node(tmp_path: Path, without_npm_run: dict[str, str]) -> None:
    sdist = build("--sdist", tmp_path / "sdist", **without_npm_run)
    with tarfile.open(sdist) as archive:
        # What the filter is for (links and devices) cannot be in an archive that was just made; 3.10 may lack it.
        safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(tmp_path, **safe)  # type: ignore[arg-type]
    tree = tmp_path / sdist.name.removesuffix(".tar.gz")
    (tmp_path / "bin").mkdir()
    nowhere = str(tmp_path / "bin")
    assert shutil.which("npm", path=nowhere) is None
    wheel = build("--wheel", tmp_path / "wheel", tree, PATH=nowhere, SAEWIDGETS_SKIP_JS="0")
    with zipfile.ZipFile(wheel) as archive:
        assert set(CARRIED) <= set(archive.namelist())
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
