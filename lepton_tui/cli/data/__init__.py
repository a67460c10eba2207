"""`lepton data …`: bring data in, look at it, check it, change it, send it on."""

# Help lists the commands in the order of these imports.
from lepton_tui.cli.data import bringing  # isort: skip
from lepton_tui.cli.data import looking  # isort: skip
from lepton_tui.cli.data import asking  # isort: skip
from lepton_tui.cli.data import quality  # isort: skip
from lepton_tui.cli.data import cleaning  # isort: skip
from lepton_tui.cli.data import labelling  # isort: skip
from lepton_tui.cli.data import augmenting  # isort: skip
from lepton_tui.cli.data import changing  # isort: skip
from lepton_tui.cli.data import history  # isort: skip
from lepton_tui.cli.data import sending  # isort: skip
from lepton_tui.cli.data.group import app

__all__ = [
    "app",
    "asking",
    "augmenting",
    "bringing",
    "changing",
    "cleaning",
    "history",
    "labelling",
    "looking",
    "quality",
    "sending",
]
