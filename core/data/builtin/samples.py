"""The small real data sets that come with Lepton, with or without a network."""

from __future__ import annotations

from pathlib import Path

from core.errors import LeptonError

SAMPLES = {"mnist-sample": "images/mnist5k"}


def sample_data() -> Path:
    """The folder of sample data: beside the checkout, or inside the installed package.

    Raises:
        LeptonError: it is in neither place.
    """
    root = Path(__file__).resolve().parents[3]
    for folder in (root / "sample_data", root / "lepton_tui" / "sample_data"):
        if (folder / "NOTICE.md").is_file():
            return folder
    raise LeptonError(
        "the sample data is missing",
        where=str(root / "sample_data"),
        hint="Install Lepton again; the data comes with it.",
    )


def sample(name: str) -> Path:
    """The folder or file of a sample data set, by its name in `SAMPLES`."""
    return sample_data() / SAMPLES[name]
