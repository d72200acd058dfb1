"""The reference that ablations are measured against."""

from __future__ import annotations

TEXT = "In the beginning God created 日本語 and the earth."
