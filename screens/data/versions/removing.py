"""Asking before a data set or a version of it is removed: who needs it is said first."""

from __future__ import annotations

from collections.abc import Callable

from core.lineage.removal import in_use, remove
from screens.base import LeptonScreen
from screens.widgets.confirm import Confirm

SHOWN = 5


def ask_to_remove(screen: LeptonScreen, ref: str, removed: Callable[[], None]) -> None:
    """Ask whether `"name"`, or the version `"name@3"`, is to go; it goes only with a yes."""
    from core.data.lake.lake import Lake

    lake = Lake(screen.workspace)
    one = "@" in ref

    def uses() -> list[str]:
        return in_use(screen.workspace, [lake.version(ref)] if one else lake.versions(ref))

    def ask(uses: list[str]) -> None:
        more = [f"and {len(uses) - SHOWN} more"] if len(uses) > SHOWN else []
        needed = ["It is in use:", *(f"- {use}" for use in [*uses[:SHOWN], *more]), ""]
        stays = "The other versions stay." if one else "Models and runs that came from it stay."
        consequences = [*(needed if uses else []), f"{stays} This cannot be undone."]
        what = ref if one else f"{ref} and all its versions"

        def answered(yes: bool | None) -> None:
            if yes:
                screen.fetch(
                    lambda: remove(screen.workspace, ref, force=True),
                    lambda _: removed(),
                    group="remove",
                )

        screen.app.push_screen(Confirm(f"Remove {what}?", "\n".join(consequences)), answered)

    screen.fetch(uses, ask, group="remove")
