"""The lowest release that pyproject.toml allows of each package, as constraints for pip: scripts/lowest.py demo search > lowest.txt

A lower bound nobody installs is a guess: `make test-lowest` installs all of them together and runs the tests.
"""

from __future__ import annotations

import sys
from pathlib import Path

from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def pin(requirement: Requirement) -> str:
    """`name==version` of its lower bound, under its own condition."""
    bounds = [specifier.version for specifier in requirement.specifier if specifier.operator in {">=", "=="}]
    if len(bounds) != 1:
        raise SystemExit(f"{PROJECT.name} gives {requirement.name} {len(bounds)} lower bounds; it needs one.")
    condition = f"; {requirement.marker}" if requirement.marker else ""
    return f"{requirement.name}=={bounds[0]}{condition}"


def main() -> None:
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in sys.argv[1:])]
    print(*sorted({pin(Requirement(text)) for group in groups for text in group}), sep="\n")


if __name__ == "__main__":
    main()
