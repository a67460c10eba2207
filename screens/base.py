"""What every screen has: the bar of modes, a footer, work in threads, and its shell command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.worker import get_current_worker

from core.errors import LeptonError
from screens.key_hints import KeyHints
from screens.mode_bar import ModeBar
from screens.text import plain

if TYPE_CHECKING:
    from core.workspace import Workspace
    from screens.navigation import Studio

T = TypeVar("T")


@dataclass
class Fetched(Message, Generic[T]):
    """Work that a thread did for a screen; the handler runs `done` on the event loop."""

    value: T
    done: Callable[[T], None]

    bubble = False


@dataclass
class FetchFailed(Message):
    """Work that a thread could not do."""

    error: Exception
    failed: Callable[[LeptonError], None] | None

    bubble = False


class LeptonScreen(Screen[None]):
    """A mode of the app. Subclasses compose `body` and say which command does the same."""

    MODE: ClassVar[str]
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [  # noqa: RUF012 as Textual declares it
        (0, "-narrow"),
        (100, "-wide"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "show_command", "Command", tooltip="The shell command that does the same"),
        Binding("escape", "leave_field", "Leave the field", show=False),
    ]

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self.workspace = workspace

    @property
    def studio(self) -> Studio:
        """The app, as far as a screen may know it."""
        return cast("Studio", self.app)

    def compose(self) -> ComposeResult:
        yield ModeBar(self.MODE)
        yield from self.body()
        yield KeyHints()

    def body(self) -> ComposeResult:
        """The widgets between the bar and the footer."""
        raise NotImplementedError

    def shell_command(self) -> str:
        """The command that does in a shell what this screen shows now."""
        raise NotImplementedError

    def arrive(self, **context: Any) -> None:
        """Another screen sent the person here, with what they were looking at."""

    def action_show_command(self) -> None:
        from screens.widgets.command_modal import CommandModal

        self.app.push_screen(CommandModal(self.shell_command()))

    def action_leave_field(self) -> None:
        """Give the keys back to the screen."""
        self.set_focus(None)

    def fetch(
        self,
        work: Callable[[], T],
        done: Callable[[T], None],
        *,
        group: str,
        failed: Callable[[LeptonError], None] | None = None,
    ) -> None:
        """Run `work` in a thread and then `done` with its value on the event loop.

        A newer fetch of the same group makes an older one stale: its answer is dropped. Without
        `failed`, an error is shown as a notification.
        """

        def run() -> None:
            worker = get_current_worker()
            try:
                message: Message = Fetched(work(), done)
            except Exception as error:
                message = FetchFailed(error, failed)
            if not worker.is_cancelled:
                self.post_message(message)

        self.run_worker(run, thread=True, exclusive=True, group=group, exit_on_error=False)

    def on_fetched(self, message: Fetched[Any]) -> None:
        # While the app is being left, widgets go before their screen does.
        if self.app.is_running:
            message.done(message.value)

    def on_fetch_failed(self, message: FetchFailed) -> None:
        error = message.error
        if not isinstance(error, LeptonError):
            self.log.error(error)
            error = LeptonError(f"{type(error).__name__}: {error}")
        if message.failed is not None:
            message.failed(error)
        else:
            self.show_error(error)

    def show_error(self, error: LeptonError) -> None:
        """Say what was wrong and what to do; the words may come from data, so none is markup."""
        self.notify(
            plain(error.hint or " "),
            title=plain(str(error)),
            severity="error",
            timeout=10,
            markup=False,
        )
