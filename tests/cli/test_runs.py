"""Runs from real terminals: closed, stopped, killed, gone on with, watched from elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from core.data.builtin.samples import sample_data
from core.models.registry import Models
from core.runs.run import Run
from core.runs.store import Runs
from core.workspace import Workspace
from lepton_tui.cli.follow import Watcher
from tests.app.terminal import Terminal
from tests.app.terminal import lepton as command
from tests.cli.conftest import Shell
from tests.runs.conftest import until

DEADLINE = 120.0
# Long enough that it ends by no chance while a test looks at it.
ENDLESS = ("--epochs", "100000", "--batch-size", "4", "--device", "cpu")
BRIEF = ("--epochs", "40", "--batch-size", "4", "--device", "cpu", "dropout=0.3")


@pytest.fixture
def penguins(lepton: Shell) -> Iterator[Shell]:
    source = sample_data() / "tabular" / "penguins.csv"
    assert lepton("data", "import", source, "--target", "species").code == 0
    yield lepton
    for run in Runs(Workspace(lepton.home)).all():
        if run.state().pid:
            run.stop(wait=DEADLINE, now=True)


def only_run(lepton: Shell) -> Run:
    (run,) = (run for run in Runs(Workspace(lepton.home)).all() if run.kind != "import")
    return run


def after(run: Run, step: int) -> None:
    """Wait for the event of a step."""
    for event in run.events(follow=True):
        if event["event"] == "step" and event["step"] >= step:
            return
    raise AssertionError(f"the run ended before step {step}: {run.state().error}")


def test_closing_the_terminal_leaves_the_run_to_be_found_from_another(penguins: Shell) -> None:
    with Terminal(command("train", "penguins", *ENDLESS), home=penguins.home) as terminal:
        terminal.wait_for(lambda text: re.search(r"epoch +\d+/100000", text) is not None)
        run = only_run(penguins)
        pid = run.state().pid
        assert pid
        # What happens when a window is closed or a link is lost: the kernel sends SIGHUP to the
        # terminal's processes.
        os.close(terminal.master)
        terminal.master = -1
        _, status = os.waitpid(terminal.pid, 0)
        terminal.status = os.waitstatus_to_exitcode(status)
    assert terminal.status == -signal.SIGHUP, "the terminal was closed on it"
    (listed,) = penguins("runs", "ls", "--kind", "train", "--json").json
    assert (listed["id"], listed["state"], listed["pid"]) == (run.id, "running", pid)
    step = run.state().step or 0
    with Terminal(command("runs", "attach", run.id[-4:]), home=penguins.home) as other:
        other.wait_for("/100000")
        after(run, step + 200)
        told = int(re.findall(r"epoch +(\d+)/100000", other.text)[-1])
        # It goes on telling: lines of epochs that had not been when it attached.
        other.wait_for(lambda text: int(re.findall(r"epoch +(\d+)/100000", text)[-1]) > told + 1)
        other.send("\x03")
        assert other.wait_for_exit() == 0
        assert f"{run.id} goes on" in other.text.replace("\n", "")
    assert psutil.Process(pid).is_running()
    assert run.state().state == "running"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux")
def test_killing_tmux_leaves_the_run_alone(penguins: Shell, tmp_path: Path) -> None:
    tmux = ("tmux", "-f", "/dev/null", "-S", str(tmp_path / "tmux"))
    train = command("train", "penguins", *ENDLESS)
    subprocess.run(
        [*tmux, "new-session", "-d", "-x", "80", "-y", "24", *train], env=penguins.env, check=True
    )
    told = subprocess.run(
        [*tmux, "list-panes", "-F", "#{pane_pid}"], capture_output=True, text=True, check=True
    )
    shown = psutil.Process(int(told.stdout))
    runs = Runs(Workspace(penguins.home))
    until(lambda: any(run.kind == "train" for run in runs.alive()))
    run = only_run(penguins)
    after(run, 1)
    pid = run.state().pid
    subprocess.run([*tmux, "kill-server"], check=True)
    assert not psutil.wait_procs([shown], timeout=DEADLINE)[1]
    after(run, (run.state().step or 0) + 200)
    state = run.state()
    assert (state.state, state.pid) == ("running", pid)


@pytest.mark.slow
def test_stopped_from_another_shell_and_resumed_it_ends_in_the_same_weights(
    penguins: Shell,
) -> None:
    whole = penguins("train", "penguins", "--name", "whole", *BRIEF, "--json").json
    begun = penguins("train", "penguins@2", "--name", "parted", *BRIEF, "-d", "--json").json
    assert begun["state"] in {"queued", "running"}
    run = Runs(Workspace(penguins.home)).get(begun["id"])
    after(run, 100)  # in the second epoch, however slow the machine
    stopped = penguins("runs", "stop", run.id, "--json").json
    assert (stopped["state"], stopped["pid"]) == ("stopped", None)
    assert 100 <= stopped["step"] < whole["steps"]
    again = penguins("runs", "stop", run.id)
    assert (again.code, again.out) == (2, "")
    assert "it is stopped" in again.err
    resumed = penguins("runs", "resume", run.id)
    assert resumed.code == 0, resumed.err
    assert f"Resumed at step {stopped['step']:,}." in resumed.out
    assert "epoch  1/40" not in resumed.out, "what was told before is not told again"
    assert "epoch 40/40" in resumed.out
    models = Models(Workspace(penguins.home))
    assert models.get("parted").weights.read_bytes() == models.get("whole").weights.read_bytes()
    finished = penguins("runs", "resume", run.id)
    assert finished.code == 2
    assert "the run has finished" in finished.err


@pytest.mark.slow
def test_killed_it_is_interrupted_for_everybody_and_can_be_gone_on_with(penguins: Shell) -> None:
    run_id = penguins("train", "penguins", *ENDLESS, "-d", "--json").json["id"]
    run = Runs(Workspace(penguins.home)).get(run_id)
    after(run, 5)
    alive = penguins("runs", "resume", run_id)
    assert alive.code == 1
    assert "running already" in alive.err
    assert f"lepton runs attach {run_id}" in alive.err
    alive = penguins("runs", "rm", run_id, "--yes")
    assert alive.code == 2
    assert "Stop it first" in alive.err
    with Terminal(command("runs", "attach", run_id), home=penguins.home) as watching:
        watching.wait_for("/100000")
        pid = run.state().pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        assert watching.wait_for_exit() == 1
        shown = watching.text.replace("\n", "")
        assert "error: the process ended in the middle of its work" in shown
        assert "Resume the run" in shown
    (listed,) = penguins("runs", "ls", "--kind", "train", "--json").json
    assert (listed["state"], listed["pid"]) == ("interrupted", None)
    table = penguins("runs", "ls").out
    assert "interrupted" in table
    assert run_id[-4:] in table
    assert penguins("runs", "resume", run_id[-4:], "--detach").code == 0
    assert penguins("runs", "show", run_id, "--json").json["state"] in {"queued", "running"}
    after(run, (listed["step"] or 0) + 5)
    assert penguins("runs", "stop", run_id, "--now").code == 0
    assert penguins("runs", "rm", run_id, "--yes").code == 0
    assert penguins("runs", "ls", "--kind", "train", "--json").json == []


@pytest.mark.slow
def test_the_newest_unfinished_training_goes_on_by_itself(penguins: Shell) -> None:
    """With its own settings: what is named beside is refused, and not left out without a word."""
    nothing = penguins("train", "resume=auto")
    assert (nothing.code, nothing.out) == (2, "")
    assert "no training stands still unfinished" in nothing.err
    ids = []
    for lr in ("0.01", "0.02"):
        longer = (*BRIEF, "--epochs", "80", "--lr", lr)
        assert penguins("train", "penguins", *longer, "--detach").code == 0
        run = Runs(Workspace(penguins.home)).all()[0]
        after(run, 1)
        run.stop(wait=DEADLINE)
        ids.append(run.id)
    other = penguins("train", "penguins", "--resume", "auto", "--epochs", "9", "lr=1")
    assert (other.code, other.out) == (2, "")
    assert "leave out lr, epochs" in other.err
    assert penguins("train", "--resume", "auto", "--json").json["id"] == ids[1]
    gone_on = penguins("train", "penguins", "resume=auto", "--json")
    assert (gone_on.json["id"], gone_on.json["state"]) == (ids[0], "finished")
    assert "on dogs" in penguins("train", "dogs", "resume=auto").err


def test_an_interrupt_of_the_training_command_stops_and_saves(penguins: Shell) -> None:
    with Terminal(command("train", "penguins", *ENDLESS), home=penguins.home) as terminal:
        terminal.wait_for(lambda text: re.search(r"epoch +\d+/100000", text) is not None)
        terminal.send("\x03")
        assert terminal.wait_for_exit() == 130
        assert "Go on with: lepton runs resume" in terminal.text
    run = only_run(penguins)
    assert run.state().state == "stopped"
    saved = [event["step"] for event in run.events() if event["event"] == "checkpoint"]
    assert saved[-1] == run.state().step


@pytest.mark.parametrize("colour", ["NO_COLOR", "TERM"])
def test_a_terminal_without_colours_gets_none(penguins: Shell, colour: str) -> None:
    env = {"NO_COLOR": {"NO_COLOR": "1"}, "TERM": {"TERM": "dumb"}}[colour]
    for words in (["data", "ls"], ["runs", "ls"], ["data", "shw"], ["data", "rows", "penguins"]):
        with Terminal(command(*words), home=penguins.home, env=env) as terminal:
            terminal.wait_for_exit()
            assert b"\x1b[" not in terminal.raw, words
    with Terminal(command("data", "ls"), home=penguins.home) as terminal:
        terminal.wait_for_exit()
        assert b"\x1b[1m" in terminal.raw, "with colours the heads are bold"


def test_lines_of_a_run_fit_the_terminal(penguins: Shell) -> None:
    with Terminal(command("train", "penguins", "--epochs", "3"), home=penguins.home) as terminal:
        assert terminal.wait_for_exit() == 0
        lines = [line for line in terminal.text.splitlines() if line.startswith("epoch")]
        assert [line.split()[1] for line in lines] == ["1/3", "2/3", "3/3"]
        assert all(line.rstrip().endswith(" s") for line in lines), "no line is wrapped"
    with Terminal(command("runs", "ls", "--kind", "train"), home=penguins.home) as terminal:
        assert terminal.wait_for_exit() == 0
        (listed,) = [line for line in terminal.text.splitlines() if "finished" in line]
        name = listed.split()[0]
    assert name == only_run(penguins).id[-4:], "what is shown is enough to name it"
    assert penguins("runs", "show", name, "--json").json["state"] == "finished"


def test_a_folder_of_the_persons_own_is_not_in_the_way(penguins: Shell, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    for name in ("core", "screens"):
        (mine / name).mkdir(parents=True)
        (mine / name / "__init__.py").write_text("raise RuntimeError('not ours')\n")
    said = penguins("train", "penguins", "--epochs", "1", "--json", cwd=mine)
    assert said.json["state"] == "finished"


def test_what_ended_a_training_before_its_last_epoch_is_told_and_listed(penguins: Shell) -> None:
    done = penguins("train", "penguins", "--epochs", "3", "--batch-size", "64", "--max-steps", "7")
    assert "3 epochs of 5 steps, the first 7 of them" in done.out
    assert "ended at step 7 of 15, as max_steps says" in done.out
    run = only_run(penguins)
    assert penguins("runs", "ls", "--json").json[0]["ended_by"] == "max_steps"
    assert "✓ max_steps" in penguins("runs", "ls", "--kind", "train").out
    assert "epoch 2 of 3, step 7, ended by max_steps" in penguins("runs", "show", run.id).out


def test_after_a_resume_what_is_left_is_told_at_the_pace_of_this_process() -> None:
    shown: list[str] = []
    watcher = Watcher(shown.append)
    watcher.line.show = shown.append  # type: ignore[method-assign]
    for event in [
        {"event": "plan", "time": 0.0, "steps": 1000},
        {"event": "step", "time": 1.0, "step": 10},
        {"event": "step", "time": 2.0, "step": 20},
        # It was killed, and a day goes by.
        {"event": "plan", "time": 90_000.0, "steps": 1000},
        {"event": "resumed", "time": 90_000.0, "step": 20, "epoch": 1},
        {"event": "step", "time": 90_001.0, "step": 30},
        {"event": "step", "time": 90_002.0, "step": 40},
    ]:
        watcher.feed(event, told=False)
    assert [words.rpartition("  ")[2] for words in shown if "step" in words or "%" in words] == [
        "1%",
        "1 min 38 s left",
        "3%",
        "1 min 36 s left",
    ]
