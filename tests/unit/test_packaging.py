"""What the wheel carries, and what importing the package costs."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import saewidgets

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "src" / "saewidgets" / "static"
CARRIED = [
    "saewidgets/__init__.py",
    "saewidgets/py.typed",
    "saewidgets/static/heatmap.js",
    "saewidgets/static/heatmap.css",
    "saewidgets/static/heatmap.snapshot.js",
    "saewidgets/demo/assets/cfg.json",
    "saewidgets/demo/assets/sae_weights.safetensors",
    "saewidgets/demo/assets/corpus.parquet",
]


def run(command: list[str], **environment: str) -> str:
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("build") is None or importlib.util.find_spec("hatchling") is None:
        pytest.skip("build and hatchling are not installed")
    out = tmp_path_factory.mktemp("dist")
    skip = "1" if (STATIC / "heatmap.js").exists() else "0"
    run(
        [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(out)],
        SAEWIDGETS_SKIP_JS=skip,
    )
    (found,) = out.glob("*.whl")
    return found


@pytest.mark.parametrize("name", CARRIED)
def test_the_wheel_carries(wheel: Path, name: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert archive.getinfo(name).file_size > 0 or name.endswith("py.typed")


def test_the_wheel_carries_no_sources_of_the_front_end(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert not [name for name in names if name.endswith((".ts", ".tsx", ".map")) or "node_modules" in name]
    assert {name.split("/")[0] for name in names} == {"saewidgets", f"saewidgets-{saewidgets.__version__}.dist-info"}


def test_importing_the_package_imports_no_torch() -> None:
    heavy = "{'torch', 'sae_lens', 'transformer_lens', 'pandas', 'plotly', 'anywidget'}"
    code = f"import sys, saewidgets; print(sorted({heavy} & set(sys.modules)))"
    assert run([sys.executable, "-c", code], PYTHONPATH=str(ROOT / "src")).strip() == "[]"


@pytest.mark.parametrize("name", saewidgets.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(saewidgets, name) is not None
    assert name in dir(saewidgets)
