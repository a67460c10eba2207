"""The command groups: a noun's module is imported when the noun is named, not before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from core.errors import UsageError, meant, nearest

Written = TypeVar("Written", bound=Callable[..., Any])

NOUNS: dict[str, tuple[str, str]] = {
    "demo": ("lepton_tui.cli.demo", "The whole path on sample digits: data, training, answers."),
    "data": ("lepton_tui.cli.data", "Bring data in, look at it, check it, change it, send it on."),
    "train": ("lepton_tui.cli.train", "Train a model on a data set."),
    "tune": ("lepton_tui.cli.tune", "Search the settings that train the best model."),
    "runs": ("lepton_tui.cli.runs", "Watch, stop and resume training runs."),
    "eval": ("lepton_tui.cli.evaluate", "Judge a model on rows it has not seen."),
    "predict": ("lepton_tui.cli.predict", "Ask a model for answers."),
    "serve": ("lepton_tui.cli.serve", "Serve models over HTTP, and say who may ask them."),
    "models": ("lepton_tui.cli.models", "List, show and remove trained models."),
    "devices": ("lepton_tui.cli.devices", "List the devices, their use, and who is on them."),
    "doctor": ("lepton_tui.cli.doctor", "Check versions, devices and the workspace."),
}


RUNTIME = typer.Option(
    "torch", metavar="NAME", help="torch, or onnx: the graph that `lepton models export` wrote."
)


class Command(TyperCommand):
    """A command whose arguments are named without their Python type, as its options are."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        for each in self.params:
            if each.param_type_name == "argument":
                vars(each)["display_type_rich"] = lambda ctx: ""


class Commands(typer.Typer):
    """The commands of a noun."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Written], Written]:
        return super().command(name, **{"cls": Command, **settings})


class Group(TyperGroup):
    """A group of commands that answers an unknown name with the nearest one."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Each with the first sentence of its help, which is not cut."""
        named = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, _sentence(each)) for name, each in named if not each.hidden])

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        found = super().get_command(ctx, cmd_name)
        if found is None and not cmd_name.startswith("-") and not ctx.resilient_parsing:
            raise UsageError(
                f'there is no command "{ctx.command_path} {cmd_name}"',
                hint=nearest(cmd_name, self.list_commands(ctx)),
            )
        return found


class Nouns(Group):
    """The first words of the command line, each in a module of its own."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(NOUNS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in NOUNS and cmd_name not in self.commands:
            module = import_module(NOUNS[cmd_name][0])
            command = typer.main.get_command(module.app)
            command.name = cmd_name
            self.commands[cmd_name] = command
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in NOUNS.items()])


def _sentence(command: Any) -> str:
    words = " ".join((command.help or "").split("\n\n")[0].split())
    return words.partition(". ")[0].rstrip(".") + "."


def noun(help: str) -> typer.Typer:
    """A group of commands under one noun, such as `lepton data`."""
    return Commands(
        cls=Group, help=help, rich_markup_mode=None, add_completion=False, no_args_is_help=True
    )


def single() -> typer.Typer:
    """A noun that is one command, such as `lepton train`."""
    return Commands(rich_markup_mode=None, add_completion=False)


def as_usage_error(error: Any) -> UsageError:
    """What typer found wrong with a call, in Lepton's form.

    `error` is click's `ClickException`, which typer carries inside itself in some versions and
    takes from the `click` package in others: it is known here by its `format_message`.
    """
    context = getattr(error, "ctx", None)
    where = context.command_path if context else ""
    see = f"See: {where} --help" if where else ""
    wrong = getattr(error, "option_name", None)
    if wrong is not None and type(error).__name__ == "NoSuchOption":
        known: Sequence[str] = (
            [name for each in context.command.get_params(context) for name in each.opts]
            if context
            else []
        )
        longs = [name for name in known if name.startswith("--")]
        return UsageError(
            f"there is no option {wrong}", where=where, hint=meant(wrong, longs) or see
        )
    parameter = getattr(error, "param", None)
    if type(error).__name__ == "MissingParameter" and parameter is not None:
        name = parameter.metavar or parameter.opts[0]
        usage = context.command.get_usage(context).strip() if context else ""
        return UsageError(f"{name} is missing", where=where, hint=usage)
    what = str(error.format_message()).strip().rstrip(".")
    return UsageError(what[:1].lower() + what[1:], where=where, hint=see)
