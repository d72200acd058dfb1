"""What the tests of recipes share."""

from __future__ import annotations

from saewidgets.interventions.recipe.constructors import (
    ablate,
    add,
    cap,
    clamp,
    orthogonal,
    replace,
    scale,
)

HOOK = "blocks.1.hook_resid_pre"


EVERY_KIND = [
    add(3, 1.5),
    add(3, -2, unit="max", max_activation=7.25, positions="generated", label="a 日本語 label"),
    add([3, 4, 5], 0.5, unit="resid", positions=[0, (2, 5), (7, None), (None, 1)], special=True),
    add(3, 0.1, unit="own", when=(9, 0.25)),
    add([0.5, -0.25, 1e-7], 6, hook=HOOK, label="probe"),
    scale(3, 1 / 3, sae="other", only_active=True),
    clamp(3, 5, unit="max"),
    clamp(3, 1e-12, positions="prompt"),
    clamp(3, 2, unit="resid", on=False),
    ablate([3, 8]),
    orthogonal(3),
    orthogonal([1.0, 0.0], 0.5, hook=HOOK),
    cap(3, 2, low=-1.0),
    cap(3, 2, unit="resid"),
    replace(3, by=4),
    replace([3, 5], by=4, factor=2.5),
]
