"""Runs that wait for a device: real processes; a GPU is a name, its lock is real."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from core.errors import LeptonError, UsageError
from core.runs import queue_worker
from core.runs.events import EventWriter
from core.runs.history import waiting_words
from core.runs.job import Stopped
from core.runs.queue import Queue, Standing, Turn, awaited
from core.runs.queue_devices import Devices
from core.runs.run import Run
from core.runs.store import Runs
from core.workspace import Workspace

from .conftest import DEADLINE, saw, until

Job = Callable[..., Run]
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def own_devices(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def job(runs: Runs) -> Job:
    def made(do: str, device: str = "cuda:1", queue: bool | None = None, devices: int = 1) -> Run:
        asked = {"device": device, "queue": queue, "devices": devices}
        return runs.create("job", {"do": do}, entry="tests.runs.jobs", **asked)

    return made


@pytest.fixture
def queue(runs: Runs) -> Queue:
    return Queue(runs.workspace)


@contextmanager
def busy(device: str, run: Run) -> Iterator[None]:
    """A device that another process has, as a run of another workspace would."""
    program = (
        "import sys; from pathlib import Path; from core.runs.queue_devices import Devices\n"
        "print(Devices().take(sys.argv[1], Path(sys.argv[2])), flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, device, str(run.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout.readline() != b"None\n"
        yield
    finally:
        holder.kill()
        holder.communicate()


def waits(run: Run) -> dict:
    run.launch()
    return saw(run, "waiting")


def ended(run: Run) -> str:
    return run.wait(DEADLINE).state


def no_room(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def order(queue: Queue) -> list[str]:
    return [each.run for each in queue.waiting()]


def test_a_free_device_is_taken_at_once(job, queue):
    run = job("until_stopped")
    run.launch()
    saw(run, "step")
    state = run.state()
    assert (state.state, state.device, state.place) == ("running", "cuda:1", None)
    assert Devices().on("cuda:1") == [run.id]
    assert order(queue) == []
    run.stop(wait=DEADLINE)
    assert Devices().is_free("cuda:1")


def test_a_run_waits_for_its_device_and_says_for_whom(job, queue):
    first, second, third = job("until_stopped"), job("tells"), job("tells")
    first.launch()
    saw(first, "step")
    told = waits(second)
    assert (told["place"], told["devices"], told["behind"]) == (1, ["cuda:1"], [first.id])
    assert waits(third)["place"] == 2
    state = second.state()
    assert (state.state, state.place, state.error) == ("queued", 1, None)
    assert psutil.Process(state.pid).cmdline()[3] == "core.runs.queue_worker"
    first.stop(wait=DEADLINE)
    assert (ended(second), ended(third)) == ("finished", "finished")
    # The worker is the process that waited; the two were never on the device at once.
    assert saw(second, "state", state="running")["pid"] == state.pid
    assert saw(second, "log", text="told")["nice"] == min(os.nice(0) + 10, 19)
    assert second.state().ended <= third.state().started
    assert order(queue) == []


def test_who_waits_loads_nothing_heavy(job):
    with busy("cuda:1", job("count")):
        run = job("until_stopped")
        waits(run)
        maps = Path(f"/proc/{run.state().pid}/maps").read_text()
        assert "libtorch" not in maps
        assert "duckdb" not in maps


def test_a_hangup_does_not_touch_who_waits(job, queue):
    with busy("cuda:1", job("count")):
        run = job("count")
        waits(run)
        os.killpg(run.state().pid, signal.SIGHUP)
        assert (run.wait(0).state, order(queue)) == ("queued", [run.id])
    assert ended(run) == "finished"


def test_a_process_that_dies_frees_its_device(job):
    run = job("count")
    with busy("cuda:1", job("count")):
        waits(run)
    assert ended(run) == "finished"


def test_a_run_that_fails_does_not_stop_the_rest(job):
    first, bad, dead, last = job("until_stopped"), job("fails"), job("dies"), job("count")
    first.launch()
    for run in (bad, dead, last):
        waits(run)
    first.stop(wait=DEADLINE)
    assert ended(bad) == "failed"
    assert ended(dead) == "interrupted"
    assert ended(last) == "finished"


def test_it_can_be_stopped_while_it_waits_and_launched_again(job, queue):
    with busy("cuda:1", job("count")):
        run, other = job("count"), job("count")
        waits(run)
        waits(other)
        assert run.stop(wait=DEADLINE).state == "stopped"
        assert order(queue) == [other.id]
        assert other.stop(now=True, wait=DEADLINE).state == "stopped"
        assert order(queue) == []
        assert waits(run)["place"] == 1
        with pytest.raises(LeptonError, match="waits in the queue already"):
            run.launch()
    assert ended(run) == "finished"


def test_the_order_can_be_changed(job, queue):
    with busy("cuda:1", job("count")):
        runs = [job("count") for _ in range(3)]
        for run in runs:
            waits(run)
        a, b, c = (run.id for run in runs)
        assert queue.move(c, 1) == 1
        assert order(queue) == [c, a, b]
        assert queue.move(c, 99) == 3
        assert queue.move(b, 1) == 1
        assert order(queue) == [b, a, c]
        saw(runs[1], "waiting", place=1)
        with pytest.raises(UsageError, match="does not wait"):
            queue.move("job-of-nobody", 1)
    for run in runs:
        assert ended(run) == "finished"
    by_start = sorted(runs, key=lambda run: run.state().started)
    assert [run.id for run in by_start] == [b, a, c]


def test_auto_takes_the_first_free_one_and_several_work_at_once(job, queue, monkeypatch):
    monkeypatch.setattr("core.devices.facts.accelerators", lambda: ["cuda:0", "cuda:1"])
    first, second, third = (job("until_stopped", "auto") for _ in range(3))
    for run in (first, second):
        run.launch()
        saw(run, "step")
    assert [run.state().device for run in (first, second)] == ["cuda:0", "cuda:1"]
    told = waits(third)
    assert told["devices"] == ["cuda:0", "cuda:1"]
    assert told["behind"] == [first.id, second.id]
    second.stop(wait=DEADLINE)
    saw(third, "step")
    assert third.state().device == "cuda:1"


def test_a_pace_of_before_tells_nothing_while_it_waits(job, queue):
    run = job("count")
    with EventWriter(run.events_path) as events:
        events.write("plan", steps=10, batch_size=4)
        events.write("step", step=5, examples_per_second=2.0)
        events.write("state", state="queued", log=0)
    with run._locked():
        assert run.state().remaining == 10.0
        queue.enter(run.id, ["cuda:1"])
        assert run.state().remaining is None


def test_a_free_device_is_kept_for_who_was_first(job, queue):
    anywhere, there, elsewhere = job("count", "auto"), job("count"), job("count")
    queue.enter(anywhere.id, ["cuda:0", "cuda:1"])
    queue.enter(there.id, ["cuda:0"])
    queue.enter(elsewhere.id, ["cuda:1"])
    with anywhere._locked():
        assert queue.claim(there.id) is None, "it is the first one's, who has not looked yet"
        assert queue.claim(elsewhere.id).device == "cuda:1", "the first one takes only one"
        assert queue.claim(anywhere.id).device == "cuda:0"
    queue.enter(anywhere.id, [])
    queue.enter(elsewhere.id, ["cuda:2"])
    with anywhere._locked():
        assert queue.claim(elsewhere.id) is None, "the first one may want it: it is not known yet"
    assert queue.claim(elsewhere.id).device == "cuda:2", "one without a process keeps nobody back"


def test_a_run_of_several_devices_waits_until_all_are_free_and_takes_them_at_once(job, queue):
    first, whole, small = (
        job("until_stopped"),
        job("until_stopped", "cuda:0", devices=3),
        job("tells", "cuda:2"),
    )
    first.launch()
    saw(first, "step")
    told = waits(whole)
    assert (told["devices"], told["together"]) == (["cuda:0", "cuda:1", "cuda:2"], 3)
    assert (told["behind"], Devices().on("cuda:0")) == ([first.id], [])
    assert waiting_words(told).startswith("next in the queue for cuda:0 to cuda:2, where")
    # The device is free, and kept for the run before it.
    assert waits(small)["behind"] == []
    first.stop(wait=DEADLINE)
    saw(whole, "step")
    assert [Devices().on(f"cuda:{at}") for at in range(3)] == [[whole.id]] * 3
    assert (whole.state().device, order(queue)) == ("cuda:0", [small.id])
    whole.stop(wait=DEADLINE)
    assert ended(small) == "finished"
    # Resumed with fewer, it waits for those alone, and so does who launches it again.
    with busy("cuda:2", small):
        whole.launch(devices=2)
        saw(whole, "step")
        assert Devices().on("cuda:1") == [whole.id]
        whole.stop(wait=DEADLINE)
    assert whole.together == 2


def test_of_several_devices_all_are_taken_or_none(runs):
    devices = Devices()
    one, two = (runs.create("job", {}).path for _ in range(2))
    held = devices.take("cuda:1", one)
    assert devices.take_all(["cuda:0", "cuda:1"], two) is None
    assert devices.is_free("cuda:0")
    os.close(held)
    both = devices.take_all(["cuda:0", "cuda:1"], two)
    assert not devices.is_free("cuda:0")
    assert Turn.from_text(Turn(("cuda:0", "cuda:1"), both).to_text()).descriptors == both
    for each in both:
        os.close(each)


def test_one_run_alone_takes_a_device_and_any_may_join_it(runs):
    devices = Devices()
    one, two = (runs.create("job", {}).path for _ in range(2))
    held = devices.take("cuda:0", one)
    assert held is not None
    assert devices.take("cuda:0", two) is None
    joined = devices.join("cuda:0", two)
    os.close(held)
    assert devices.take("cuda:0", one) is None
    os.close(joined)
    again = devices.take("cuda:0", one)
    assert again is not None
    os.close(again)


def test_the_queue_survives_the_death_of_all_processes(job, runs, queue):
    first = job("until_stopped")
    first.launch()
    saw(first, "step")
    waiting = [job("count") for _ in range(3)]
    for run in waiting:
        waits(run)
    gone = waiting.pop(0)
    for run in (first, gone, *waiting):
        os.kill(run.state().pid, signal.SIGKILL)
        until(lambda run=run: run.state().pid is None)
    gone.stop()
    queue.move(waiting[1].id, 1)
    assert [run.state().state for run in (first, gone, *waiting)] == [
        *("interrupted", "stopped", "queued", "queued")
    ]
    revived = Runs(runs.workspace).revive()
    assert [run.id for run in revived] == [waiting[1].id, waiting[0].id]
    assert [ended(run) for run in revived] == ["finished", "finished"]
    assert revived[0].state().started <= revived[1].state().started
    assert first.state().state == "interrupted"
    assert Runs(runs.workspace).revive() == []


def test_a_run_that_is_gone_is_not_waited_for(job, runs, queue):
    run = job("count")
    queue.enter(run.id, ["cuda:1"])
    run.remove()
    assert order(queue) == []
    queue.enter("job-20260101-000000-gone", ["cuda:1"])
    assert runs.revive() == []
    assert order(queue) == []


def test_on_the_processor_runs_work_beside_each_other_unless_asked(job, queue):
    plain, asked, late = job("joins", "cpu"), job("count", "cpu", True), job("joins", "cpu")
    plain.launch()
    saw(plain, "step")
    assert waits(asked)["behind"] == [plain.id]
    late.launch()
    saw(late, "step")
    plain.stop(wait=DEADLINE)
    saw(asked, "waiting", behind=[late.id])
    late.stop(wait=DEADLINE)
    assert ended(asked) == "finished"
    assert asked.state().device == "cpu"


def test_beside_others_on_a_gpu_when_asked(job):
    first, beside = job("until_stopped"), job("joins", queue=False)
    for run in (first, beside):
        run.launch()
        saw(run, "step")
    assert Devices().on("cuda:1") == [first.id, beside.id]


def test_which_devices_are_waited_for():
    def nobody() -> list[str]:
        raise AssertionError

    assert awaited(None, True, nobody) is None
    assert awaited("cuda:1", None, nobody) == ("cuda:1",)
    assert awaited("cuda", None, nobody) == ("cuda:0",)
    assert awaited("cuda", False, nobody) is None
    assert awaited("cpu", None, nobody) is None
    assert awaited("cpu", True, nobody) == ("cpu",)
    assert awaited("auto", None, lambda: []) is None
    assert awaited("auto", True, lambda: []) == ("cpu",)
    assert awaited("auto", None, lambda: ["cuda:0", "cuda:1"]) == ("cuda:0", "cuda:1")
    assert awaited("auto", None, lambda: None) == ()
    assert awaited("cuda:1", None, nobody, 2) == ("cuda:1", "cuda:2")
    assert awaited("auto", None, lambda: ["cuda:0", "cuda:1", "cuda:2"], 2) == ("cuda:0", "cuda:1")
    assert awaited("cpu", True, nobody, 2) == ("cpu",), "its processes share it"


def test_what_only_torch_can_tell_is_asked_while_it_waits(job, monkeypatch):
    monkeypatch.setattr("core.devices.facts.accelerators", lambda: None)
    run = job("count", "auto")
    run.launch()
    assert ended(run) == "finished"
    assert saw(run, "state", state="running").get("device") is None, "here there is none"


def test_a_damaged_queue_is_told(job, runs, queue):
    (runs.workspace.home / "queue.json").write_text('[{"run": "x"')
    run = job("count")
    with pytest.raises(LeptonError, match="queue is damaged") as caught:
        run.launch()
    assert "Remove it" in caught.value.hint
    assert run.state().state == "failed"
    assert Devices().is_free("cuda:1")


def test_a_damaged_queue_keeps_nobody_from_stopping_and_removing(job, runs, queue):
    run = job("until_stopped")
    run.launch()
    saw(run, "step")
    (runs.workspace.home / "queue.json").write_text("null")
    assert run.stop(wait=DEADLINE).state == "stopped"
    run.remove()
    assert not run.path.exists()


def test_without_a_place_for_the_locks_only_who_would_wait_is_refused(job, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    with pytest.raises(LeptonError, match="cannot be kept") as caught:
        job("count").launch()
    assert "XDG_STATE_HOME" in caught.value.hint
    beside = job("joins", "cpu")
    beside.launch()
    saw(beside, "step")


def test_who_is_asked_to_stop_at_its_turn_stops_in_good_order(job):
    """From its turn until the worker listens, a signal waits."""
    run = job("until_stopped", "cpu")

    def asked() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        os.kill(os.getpid(), signal.SIGTERM)

    worker = subprocess.Popen(
        [sys.executable, "-P", "-m", "core.runs.worker", str(run.path)],
        env={**os.environ, "LEPTON_HOME": str(run.workspace.home), "PYTHONPATH": str(ROOT)},
        preexec_fn=asked,
    )
    assert worker.wait(DEADLINE) == 0
    saw(run, "checkpoint")
    assert run.state().state == "stopped"


def test_a_full_disk_fails_the_run_and_keeps_no_device(job, queue, monkeypatch):
    run = job("count")
    queue.enter(run.id, ["cuda:1"])
    monkeypatch.setattr("core.atomic.write_json", no_room)
    with pytest.raises(LeptonError, match="the queue cannot be written: No space left"):
        run.launch()
    assert run.state().state == "failed"
    assert Devices().is_free("cuda:1")


def test_who_waits_on_a_full_disk_goes_on_when_there_is_room(job, queue):
    run = job("count")
    queue.enter(run.id, ["cuda:1"])
    full = pytest.MonkeyPatch()
    full.setattr("core.atomic.write_json", no_room)
    looks = []

    def wait(seconds: float) -> None:
        looks.append(seconds)
        full.undo()

    told = SimpleNamespace(run=run, should_stop=lambda: False, emit=None, wait=wait)
    turn = queue_worker._turn(told, queue)
    turn.let_go()
    assert (turn.device, looks) == ("cuda:1", [queue_worker.LOOK_SECONDS])
    assert order(queue) == []


def test_the_file_of_the_queue_is_whole_at_every_moment(job, runs, queue):
    """Many change it at once, and nobody's run is lost."""
    program = (
        "import sys; from core.runs.queue import Queue; from core.workspace import Workspace\n"
        "queue = Queue(Workspace.open(sys.argv[1]))\n"
        "for at in range(20): queue.enter(f'{sys.argv[2]}-{at}', ['cuda:0']);"
        " queue.move(f'{sys.argv[2]}-{at}', 1)"
    )
    home = str(runs.workspace.home)
    many = [subprocess.Popen([sys.executable, "-c", program, home, name]) for name in "abc"]
    while any(each.poll() is None for each in many):
        with suppress(FileNotFoundError):
            json.loads((runs.workspace.home / "queue.json").read_text())
    assert [each.returncode for each in many] == [0, 0, 0]
    assert sorted(order(queue)) == sorted(f"{name}-{at}" for name in "abc" for at in range(20))


def test_who_waits_is_told_of_which_workspace_the_run_before_it_is(job, queue, tmp_path):
    other = Runs(Workspace.open(tmp_path / "other")).create("job", {"do": "count"})
    run = job("count")
    queue.enter(run.id, ["cuda:1"])
    with other._locked():
        held = Devices().take("cuda:1", other.path)
        standing = queue.standing(run.id)
        assert standing.behind == (other.id,)
        assert standing.elsewhere == {other.id: str(tmp_path / "other")}
        said = waiting_words(standing.to_json())
        assert said.endswith(f"where {other.id[-4:]} of the workspace {tmp_path / 'other'} works")
        os.close(held)
    with job("count")._locked():
        assert queue.standing(run.id).elsewhere == {}


def test_what_a_run_waits_for_is_told_once_and_again_when_it_has_changed(job, monkeypatch):
    run, told = job("count"), []
    first, nobody, second = (Standing(1, ("cuda:1",), behind) for behind in (("a",), (), ("b",)))
    looks = iter([first, first, nobody, second, second, second, nobody, second, None])
    monkeypatch.setattr(Queue, "standing", lambda *_: next(looks))
    monkeypatch.setattr(Queue, "claim", lambda *_: None)
    waits_for = SimpleNamespace(
        run=run,
        should_stop=lambda: False,
        wait=lambda _: False,
        emit=lambda _, **standing: told.append(standing["behind"]),
    )
    with pytest.raises(Stopped):
        queue_worker._turn(waits_for, Queue(run.workspace))
    assert told == [["a"], ["b"]]
