"""The pictures of widgets in docs/pictures, which the README and the documentation show: taken of the live pages, in light.

Run as `python -m scripts.docs.pictures [NAME ...]` after `make docs`, when a widget looks different than its picture, and look at them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from PIL import Image

from .live import MADE
from .stage import LIVE, SOURCE

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "browser"))
from lab import chromium

WIDTH, HEIGHT = 1000, 620
LARGEST = 150_000
WIDTHS = {"explore": 1500}
# Where what is worth showing begins further down or ends further up.
HEIGHTS = {
    "dashboard": 900,
    "explore": 860,
    "comparison": 560,
    "layers": 700,
    "subspace": 700,
    "map": 700,
    "blindtest": 560,
    "beside": 760,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(MADE))
    with chromium() as browser:
        for name in parser.parse_args().names:
            size = {"width": WIDTHS.get(name, WIDTH), "height": HEIGHTS.get(name, HEIGHT)}
            page = browser.new_page(viewport=size, color_scheme="light", reduced_motion="reduce")
            page.goto((LIVE / f"{name}.html").as_uri())
            page.locator("#saew-root .saew").first.wait_for()
            page.wait_for_load_state("networkidle")
            page.wait_for_function("() => !document.querySelector('[aria-busy=true]')")
            path = SOURCE / "pictures" / f"{name}.png"
            page.screenshot(path=path)
            page.close()
            # 255 colours are enough for a picture of a few, and a third of the bytes.
            Image.open(path).convert("RGB").quantize(255).save(path, optimize=True)
            if path.stat().st_size > LARGEST:
                raise SystemExit(f"{path} has {path.stat().st_size:,} bytes, more than {LARGEST:,}.")


if __name__ == "__main__":
    main()
