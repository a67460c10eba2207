"""AdamW without 1.5 s of start: torch loads its compiler to hide an optimizer from it."""

from __future__ import annotations

from typing import Any

import torch


def _bare(method: Any) -> Any:
    """The method below torch's wrapper; itself in a torch that wraps no longer."""
    return getattr(method, "__wrapped__", method)


class AdamW(torch.optim.AdamW):
    """torch's AdamW, for eager training only; the arithmetic is the same."""

    add_param_group = _bare(torch.optim.AdamW.add_param_group)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        _bare(torch.optim.AdamW.step)(self, closure)
