"""engine.activations beside a bare forward to the hook and `sae.encode`."""

from __future__ import annotations

import torch

from benchmarks.measure import Row, ratio
from saewidgets.engine.dictionary import SaeDictionary
from saewidgets.engine.engine import Engine

TOKENS = 128


class _Stop(BaseException):
    pass


def activations(engine: Engine) -> Row:
    """A 128-token prompt, from its token ids (tokenizing is in neither), to the sparse result with its token strings."""
    text = "In the beginning, God created the heavens and the earth. " * 20
    ids = engine.to_ids(text)[0][:TOKENS]
    tokens = torch.tensor([ids], device=engine.model.input_device)
    dictionary = engine.dictionary()
    assert isinstance(dictionary, SaeDictionary)
    point = engine.model._module(engine.model.resolve(dictionary.hook_name))

    def bare() -> torch.Tensor:
        seen: list[torch.Tensor] = []

        def keep(_module: object, _inputs: object, output: torch.Tensor) -> None:
            seen.append(output)
            raise _Stop

        handle = point.register_forward_hook(keep)
        try:
            with torch.no_grad():
                engine.model.raw(tokens, return_type=None)
        except _Stop:
            pass
        finally:
            handle.remove()
        with torch.no_grad():
            encoded = dictionary.sae.encode(seen[0].to(dictionary.device))
        if encoded.is_cuda:
            torch.cuda.synchronize()
        return encoded

    found = ratio(lambda: engine.activations(ids), bare)
    return Row(
        f"engine.activations, {TOKENS} tokens / bare forward to the hook + sae.encode",
        "<= 1.10",
        f"{found.ratio:.3f} ({found.ours * 1e3:.1f} / {found.reference * 1e3:.1f} ms)",
        found.ratio <= 1.10,
    )
