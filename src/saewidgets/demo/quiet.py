"""Third parties' deprecation warnings and progress bars, kept from the demo's users, who can do nothing about them.

Narrow and undone afterwards: only these categories, only from these packages, only while the demo is loaded.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_PACKAGES = r"(transformers|transformer_lens|sae_lens|huggingface_hub|torch|gguf|numpy|datasets)(\.|$)"


@contextmanager
def quiet() -> Iterator[None]:
    """No deprecation warnings of the packages below us and none of transformers' progress bars."""
    with warnings.catch_warnings():
        for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
            warnings.filterwarnings("ignore", category=category, module=_PACKAGES)
        from transformers.utils import logging as untyped

        logging: Any = untyped  # partly annotated

        shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
        logging.disable_progress_bar()
        logging.set_verbosity_error()
        try:
            yield
        finally:
            logging.set_verbosity(level)
            if shown:
                logging.enable_progress_bar()
