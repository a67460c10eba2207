"""Runs in real processes: how they start, end, are stopped and die."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from core.devices import WITH_TORCH
from core.errors import LeptonError, UsageError
from core.runs import lock
from core.runs.events import EventReader, EventWriter
from core.runs.run import Run
from core.runs.store import Runs
from tests.disks import small_disk

from .conftest import DEADLINE, saw, until

Job = Callable[[str], Run]
ROOT = Path(__file__).parents[2]


def ended(run: Run) -> str:
    return run.wait(DEADLINE).state


def test_a_run_runs_to_its_end(job: Job) -> None:
    run = job("count")
    run.launch()
    names = [event["event"] for event in run.events(follow=True)]
    assert names == ["state", "state", "plan", "step", "step", "step", "epoch", "result", "state"]
    state = run.state()
    assert (state.state, state.pid, state.error) == ("finished", None, None)
    assert (state.model, state.device, state.step, state.steps) == ("digits@1", "cpu", 3, 3)
    assert state.metrics == {"val/accuracy": 0.75}
    assert state.started < state.ended
    assert run.history().series["loss"].points().mean.tolist() == [1.0, 1 / 2, 1 / 3]
    with pytest.raises(UsageError, match="has finished"):
        run.launch()
    with pytest.raises(UsageError, match="it is finished"):
        run.stop()


def test_a_run_that_is_leaving_is_waited_for_by_who_resumes_it(job: Job) -> None:
    run = job("leaves_slowly")
    run.launch()
    saw(run, "log", text="ready")
    run.stop(wait=0)
    until(lambda: run.state().state == "stopped")
    assert lock.held(run.lock_path), "the process should still be there"
    leaving = threading.Timer(0.2, (run.path / "leave").touch)
    leaving.start()
    run.launch()
    leaving.join()
    assert ended(run) == "finished"


def test_the_process_stands_on_its_own(job: Job, runs: Runs) -> None:
    run = job("tells")
    run.launch()
    told = saw(run, "log", text="told")
    assert told["session"] == told["pid"] != os.getsid(0)
    assert told["nice"] == min(os.nice(0) + 10, 19)
    assert told["cwd"] == str(run.path)
    assert told["home"] == str(runs.workspace.home)
    assert told["variables"] == WITH_TORCH
    assert told["core"] == str(ROOT / "core" / "__init__.py")
    assert told["stdin"] == ""
    assert told["torch"] is False
    assert ended(run) == "finished"
    assert run.log_tail() == "printed"


def test_a_hostile_core_in_the_working_folder_is_not_imported(runs: Runs, tmp_path: Path) -> None:
    hostile = tmp_path / "mine"
    (hostile / "core").mkdir(parents=True)
    (hostile / "core" / "__init__.py").write_text("raise SystemExit('the wrong core')")
    run = runs.create("job", {"do": "tells"}, entry="tests.runs.jobs")
    (run.path / "core").symlink_to(hostile / "core")
    program = (
        "import sys; from core.runs.store import Runs; from core.workspace import Workspace\n"
        "Runs(Workspace.open(sys.argv[1])).get(sys.argv[2]).launch()"
    )
    # The relative entry must still find us, the empty one (the working folder) must not come along.
    path = os.path.relpath(ROOT, hostile) + os.pathsep
    subprocess.run(
        [sys.executable, "-P", "-c", program, str(runs.workspace.home), run.id],
        cwd=hostile,
        env={**os.environ, "PYTHONPATH": path},
        check=True,
    )
    # The launcher is gone, the run goes on.
    told = saw(run, "log", text="told")
    assert Path(told["path"][0]).resolve() == ROOT
    assert str(hostile) not in told["path"]
    assert ended(run) == "finished"


def test_kill_9_leaves_an_interrupted_run(job: Job) -> None:
    run = job("until_stopped")
    run.launch()
    saw(run, "step")
    state = run.state()
    assert state.state == "running"
    assert state.pid == saw(run, "state", state="running")["pid"]
    os.kill(state.pid, signal.SIGKILL)
    assert ended(run) == "interrupted"
    state = run.state()
    assert state.pid is None
    assert "in the middle of its work" in state.error["what"]
    with pytest.raises(UsageError, match="it is interrupted"):
        run.stop()


def test_an_interrupted_run_says_what_it_last_printed(job: Job) -> None:
    run = job("dies")
    run.launch()
    assert ended(run) == "interrupted"
    assert run.state().error["what"].endswith("it last printed: the last words")


def test_death_before_the_first_event_is_interrupted_too(
    job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = job("count")
    run.log_path.write_text("of an earlier attempt\n")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    run.launch()
    assert ended(run) == "interrupted"
    assert run.state().error["what"] == "the process ended before its work began"
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho No module named core >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    run.launch()
    assert ended(run) == "interrupted"
    assert run.state().error["what"].endswith("it last printed: No module named core")


def test_a_hangup_does_not_touch_it(job: Job) -> None:
    run = job("until_stopped")
    run.launch()
    saw(run, "step")
    os.killpg(run.state().pid, signal.SIGHUP)
    # The lower number is delivered first: had SIGHUP killed, nothing would have been saved.
    assert run.stop(wait=DEADLINE).state == "stopped"
    saw(run, "checkpoint")


@pytest.mark.parametrize("do", ["until_stopped", "stopped_deep_inside"])
def test_stop_lets_the_job_save_and_the_run_can_go_on(job: Job, do: str) -> None:
    run = job(do)
    run.launch()
    saw(run, "step" if do == "until_stopped" else "log")
    state = run.stop(wait=DEADLINE)
    assert (state.state, state.error) == ("stopped", None)
    assert state.ended is not None
    run.launch()
    assert run.state().state in {"queued", "running"}
    assert run.stop(wait=DEADLINE).state == "stopped"


def test_a_run_that_is_done_when_asked_to_stop_is_finished(job: Job) -> None:
    run = job("finishes_all_the_same")
    run.launch()
    saw(run, "log")
    assert run.stop(wait=DEADLINE).state == "finished"


def test_a_deaf_run_ends_when_asked_twice(job: Job) -> None:
    run = job("deaf")
    run.launch()
    saw(run, "log")
    assert run.stop(wait=0).state == "running"
    saw(run, "log", text="asked")
    assert run.stop(wait=DEADLINE).state == "stopped"
    assert not lock.held(run.lock_path)
    assert run.history().state == "stopped"


def test_stop_now_kills_and_counts_as_stopped(job: Job) -> None:
    run = job("deaf")
    run.launch()
    saw(run, "log")
    state = run.stop(now=True, wait=DEADLINE)
    assert (state.state, state.error) == ("stopped", None)


def test_stop_right_after_launch(job: Job) -> None:
    run = job("until_stopped")
    run.launch()
    assert run.stop(wait=DEADLINE).state == "stopped"


def test_a_run_that_was_never_launched_can_be_stopped(job: Job) -> None:
    run = job("count")
    assert run.stop().state == "stopped"
    with pytest.raises(UsageError, match="it is stopped"):
        run.stop()


def test_failures_say_what_and_what_to_do(job: Job) -> None:
    said = {}
    for do in ("fails", "crashes", "eats_memory", "exits", "fails_while_stopping", "unheard_of"):
        run = job(do)
        run.launch()
        if do == "fails_while_stopping":
            saw(run, "step")
            run.stop(wait=DEADLINE)
        assert ended(run) == "failed", do
        said[do] = run.state().error
        assert "Traceback" in run.log_tail()
    assert said["fails"] == {
        "what": "the column has one class",
        "where": "label",
        "hint": "Choose another column.",
    }
    assert said["crashes"]["what"] == "ZeroDivisionError: division by zero"
    assert "log" in said["crashes"]["hint"]
    assert said["eats_memory"]["what"] == "the machine's memory is full"
    assert "batch_size" in said["eats_memory"]["hint"]
    assert "a library lost its temper" in said["exits"]["what"]
    assert "no space for the checkpoint" in said["fails_while_stopping"]["what"]
    assert "unheard_of" in said["unheard_of"]["what"]


def test_a_kind_that_nobody_knows_fails(runs: Runs) -> None:
    run = runs.create("dream", {})
    run.launch()
    assert ended(run) == "failed"
    assert run.state().error["what"] == 'no worker knows the kind "dream"'


def test_a_live_run_is_neither_launched_nor_removed(job: Job, runs: Runs) -> None:
    run = job("until_stopped")
    run.launch()
    with pytest.raises(LeptonError, match="running already"):
        runs.get(run.id).launch()
    with pytest.raises(UsageError, match="is running"):
        run.remove()
    assert run.path.exists()
    run.stop(wait=DEADLINE)
    run.remove()
    assert not run.path.exists()


def test_of_two_launches_at_the_same_moment_one_wins(job: Job) -> None:
    run = job("until_stopped")
    program = (
        "import sys; from core.errors import LeptonError; from core.runs.store import Runs\n"
        "from core.workspace import Workspace\n"
        "run = Runs(Workspace.open(sys.argv[1])).get(sys.argv[2])\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "try: run.launch(); print('won')\n"
        "except LeptonError as error: print(error.what)"
    )
    home = str(run.workspace.home)
    rivals = [
        subprocess.Popen(
            [sys.executable, "-c", program, home, run.id],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for rival in rivals:
        assert rival.stdout.readline() == "ready\n"
    with onlookers(run):
        for rival in rivals:
            rival.stdin.write("go\n")
            rival.stdin.flush()
        said = sorted(rival.communicate(timeout=DEADLINE)[0].strip() for rival in rivals)
    assert said == ["the run is running already"] * 3 + ["won"]
    saw(run, "step")
    states = [e["state"] for e in run.events() if e["event"] == "state"]
    assert states == ["queued", "running"]


def test_somebody_who_only_looks_does_not_stop_a_launch(job: Job) -> None:
    run = job("count")
    with onlookers(run):
        for _ in range(200):
            descriptor = lock.take(run.lock_path)
            assert descriptor is not None
            os.close(descriptor)


@contextmanager
def onlookers(run: Run) -> Iterator[None]:
    """Threads that ask all the time whether the run is alive."""
    enough = threading.Event()

    def look() -> None:
        while not enough.is_set():
            lock.held(run.lock_path)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        enough.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("do", ["forks", "starts"])
def test_a_child_left_behind_does_not_keep_a_dead_run_alive(job: Job, do: str) -> None:
    run = job(do)
    run.launch()
    child = int(saw(run, "log")["text"])
    try:
        assert ended(run) == "interrupted"
        assert psutil.pid_exists(child)
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_resumed_run_takes_back_and_its_torn_line_is_skipped(job: Job) -> None:
    run = job("resumes")
    run.launch()
    assert ended(run) == "interrupted"
    assert run.history().series["loss"].points().steps.tolist() == [1, 2, 3, 4]
    run.launch()
    assert ended(run) == "finished"
    assert run.history().series["loss"].points().mean.tolist() == [1.0, 1.0, 0.3]
    assert run.state().step == 3
    reader = EventReader(run.events_path)
    reader.read_all()
    assert reader.skipped == 1


def test_a_launcher_that_lives_on_keeps_no_zombie(job: Job) -> None:
    run = job("until_stopped")
    run.launch()
    saw(run, "step")
    pid = run.state().pid
    run.stop(wait=DEADLINE)
    until(lambda: not psutil.pid_exists(pid))


def test_no_process_to_be_had_is_a_failed_run(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    run = job("count")
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(LeptonError, match="no process can be started"):
        run.launch()
    assert run.state().state == "failed"
    monkeypatch.undo()
    run.launch()
    assert ended(run) == "finished"


def test_a_process_that_is_not_ours_is_never_signalled(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.runs.run._FOUND_WITHIN", 0.1)
    run = job("until_stopped")
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    descriptor = lock.take(run.lock_path)
    assert descriptor is not None
    try:
        lock.write_pid(descriptor, bystander.pid)  # as another machine's holder would look
        with pytest.raises(LeptonError, match="not to be found here"):
            run.stop(now=True)
        bystander.communicate(b"\n", timeout=DEADLINE)
        assert bystander.returncode == 0
    finally:
        bystander.kill()
        os.close(descriptor)


def test_the_worker_can_be_started_by_hand_but_not_beside_another(job: Job) -> None:
    run = job("until_stopped")
    run.launch()
    saw(run, "step")
    command = [sys.executable, "-P", "-m", "core.runs.worker", str(run.path)]
    environment = {**os.environ, "LEPTON_HOME": str(run.workspace.home), "PYTHONPATH": str(ROOT)}
    second = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert "running already" in second.stderr
    run.stop(wait=DEADLINE)
    by_hand = subprocess.Popen(command, env=environment)
    until(lambda: run.state().state == "running")
    until(lambda: run.state().pid == by_hand.pid)
    assert run.stop(wait=DEADLINE).state == "stopped"
    by_hand.wait(DEADLINE)


@pytest.mark.parametrize("way", ["limit", "disk"])
def test_a_run_with_no_room_for_its_last_line_is_finished(runs: Runs, way: str) -> None:
    spec = {"do": "has_no_room_for_its_last_line", "limit": way == "limit"}
    run = runs.create("job", spec, entry="tests.runs.jobs")
    with ExitStack() as stack:
        if way == "disk":
            made = shutil.copytree(run.path, run.workspace.tmp / "made")
            stack.enter_context(small_disk(run.path, "64k"))
            shutil.copytree(made, run.path, dirs_exist_ok=True)
        run.launch()
        state = run.wait(DEADLINE)
        told = "No space left" if way == "disk" else "File too large"
        assert told in run.log_tail()
        assert (state.state, state.pid, state.error) == ("finished", None, None)
        assert (state.model, state.metrics) == ("digits@1", {"val/accuracy": 0.75})
        assert state.ended is not None
        assert not any(event.get("state") == "finished" for event in run.events())
        with pytest.raises(UsageError, match="the run has finished"):
            run.launch()


def test_a_result_of_a_launch_before_is_no_end(job: Job) -> None:
    run = job("dies")
    with EventWriter(run.events_path) as events:
        events.write("state", state="queued", log=0)
        events.write("state", state="running")
        events.write("result", model="digits@1", metrics={})
        events.write("state", state="failed", error={"what": "no", "where": "", "hint": ""})
    run.launch()
    assert run.wait(DEADLINE).state == "interrupted"
