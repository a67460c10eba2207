"""The engine as a child process: light, in order, mortal without harm, and never an orphan."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from socket import AF_UNIX, socket
from tempfile import TemporaryDirectory

import psutil
import pytest

from core.augmentation.examples import examples
from core.augmentation.written import read
from core.errors import LeptonError, UsageError
from core.inference import door
from core.inference.caller import MOST_UNREAD
from core.inference.engine import Engine
from core.inference.faults import EngineEnded
from core.inference.inputs import read_inputs
from core.inference.messages import Row
from core.inference.outgoing import READER_MAY
from core.inference.process import EngineProcess
from core.inference.wire import frame
from core.tasks import Task
from core.workspace import Workspace
from tests.inference.conftest import png

pytestmark = pytest.mark.slow
PATIENCE = 60.0
# Those who ask for other threads share no engine: `threads` gives a test one of its own.
ROW = Row("x", {"petal length": 1.5, "colour": "red"})


@pytest.fixture(scope="module")
def engine(models: Workspace) -> Iterator[EngineProcess]:
    with EngineProcess(models, "cpu") as process:
        yield process


class Held:
    """A picture that nobody can open until it is let go, by a lease; who tries waits."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(png(3))
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        # The system tells of who tries by a signal; this one means nothing to anybody.
        fcntl.fcntl(self._descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(self._descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)

    def wait(self) -> None:
        """Until somebody tries to open it."""
        until = time.monotonic() + PATIENCE
        while fcntl.fcntl(self._descriptor, fcntl.F_GETLEASE) == fcntl.F_WRLCK:
            assert time.monotonic() < until, "nobody has tried to open the picture"
            time.sleep(0.005)

    def let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    made = Held(tmp_path / "held.png")
    yield made
    made.let_go()


def test_it_answers_as_the_engine_in_process_does(
    engine: EngineProcess, models: Workspace, image_task: Task, pictures: Path
) -> None:
    rows = [*read_inputs(models, image_task, [pictures]), Row("bytes", {"image": png(7)})]
    answers = engine.predict("digits", rows, PATIENCE)
    here = Engine(models, "cpu").predict("digits", rows)
    assert [each.to_json() for each in answers] == [each.to_json() for each in here]
    assert [each.ok for each in answers] == [True, False, True, True]


def test_a_wrong_call_is_a_usage_error_and_hurts_nobody(engine: EngineProcess) -> None:
    with pytest.raises(UsageError) as caught:
        engine.predict("flower", [ROW], PATIENCE)
    assert 'no model "flower"' in str(caught.value)
    assert "flowers" in caught.value.hint
    before = engine.pid
    engine.load("flowers", PATIENCE)
    assert engine.predict("flowers", [ROW], PATIENCE)[0].ok
    assert engine.pid == before


def test_it_augments_as_is_done_in_process(engine: EngineProcess) -> None:
    rows: list[tuple[int, bytes | str | None]] = [(3, png(0)), (8, None), (9, png(1))]
    found = engine.augment(["crop", "mixup=1"], "image", rows, [0, 4], seed=5, timeout=PATIENCE)
    assert found == examples(read("crop,mixup=1"), "image", rows, [0, 4], 5)
    assert [each.problem for each in found] == ["", "there is none", ""]
    assert [each.partner for each in found] == [9, None, 3]
    with pytest.raises(UsageError, match='no augmentation "crp"'):
        engine.augment(["crp"], "image", rows, [0], timeout=PATIENCE)


def test_what_may_never_end_holds_up_no_model(engine: EngineProcess, tmp_path: Path) -> None:
    pipe, device = tmp_path / "pipe.png", tmp_path / "zero.png"
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    rows = [Row(str(each), {"image": each}) for each in (pipe, device)]
    answers = engine.predict("digits", [*rows, Row("good", {"image": png(7)})], PATIENCE)
    errors = [str(answer.error) for answer in answers[:2]]
    assert "this is a pipe, not a file" in errors[0]
    assert "this is a device, not a file" in errors[1]
    assert answers[2].ok


def test_many_threads_ask_at_once(engine: EngineProcess) -> None:
    def ask(number: int) -> list[str]:
        rows = [Row(f"{number}.{at}", ROW.values) for at in range(5)]
        return [answer.input for answer in engine.predict("flowers", rows, PATIENCE)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(40)))
    assert found == [[f"{number}.{at}" for at in range(5)] for number in range(40)]


def test_what_the_child_prints_is_no_reply(models: Workspace, tmp_path: Path) -> None:
    loud = tmp_path / "sitecustomize.py"
    loud.write_text("import atexit, os\nprint('python says')\nos.write(1, b'and so does C\\n')\n")
    code = (
        "import sys; from core.inference.process import EngineProcess;"
        "from core.workspace import Workspace; from core.inference.messages import Row;"
        "from pathlib import Path;"
        "e = EngineProcess(Workspace(Path(sys.argv[1])), 'cpu');"
        "print(e.predict('flowers', [Row('x', {'petal length': 1, 'colour': 'red'})], 60)[0].ok);"
        "e.close()"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, str(models.home)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.stdout.splitlines()[-1] == "True"
    assert done.stderr == ""


def test_asked_without_waiting_it_answers_later_or_is_taken_back(
    models: Workspace, held: Held
) -> None:
    with EngineProcess(models, "cpu", threads=5) as engine:
        stuck = engine.submit("digits", [Row("p", {"image": held.path})])
        held.wait()
        other = engine.submit("digits", [Row("q", {"image": held.path})])
        waiting = engine.submit("digits", [Row("r", {"image": png(4)})])
        assert other.cancel()
        held.let_go()
        assert stuck.result(PATIENCE)[0].ok
        assert waiting.result(PATIENCE)[0].ok
        with pytest.raises(UsageError, match='no model "flower"'):
            engine.submit("flower", [ROW]).result(PATIENCE)


def test_killed_at_work_it_says_so_and_comes_back(models: Workspace, held: Held) -> None:
    with EngineProcess(models, "cpu", threads=1) as engine, ThreadPoolExecutor(2) as pool:
        stuck = pool.submit(engine.predict, "digits", [Row("p", {"image": held.path})], PATIENCE)
        held.wait()
        waiting = engine.submit("digits", [Row("q", {"image": png(3)})])
        first = engine.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        for lost in (stuck, waiting):
            error = lost.exception(PATIENCE)
            assert isinstance(error, EngineEnded)
            assert "SIGKILL" in error.what
            assert "Ask again" in error.hint
        assert engine.predict("flowers", [ROW], PATIENCE)[0].ok
        assert engine.pid not in (None, first)


def test_a_late_answer_is_given_up(models: Workspace, held: Held) -> None:
    with EngineProcess(models, "cpu", threads=6) as engine:
        engine.load("digits", PATIENCE)
        with pytest.raises(LeptonError, match="did not answer"):
            engine.predict("digits", [Row("p", {"image": held.path})], 0.2)
        # The picture came at last; the next request is answered, by the same child.
        before = engine.pid
        held.let_go()
        assert engine.predict("flowers", [ROW], PATIENCE)[0].ok
        assert engine.pid == before


def test_closed_it_leaves_even_at_work(models: Workspace, held: Held) -> None:
    engine = EngineProcess(models, "cpu", threads=7)
    assert engine.pid is None
    with ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(engine.predict, "digits", [Row("p", {"image": held.path})], PATIENCE)
        held.wait()
        assert engine.pid is not None
        process = psutil.Process(engine.pid)
        engine.close()
        assert "closed" in str(stuck.exception(PATIENCE))
    process.wait(PATIENCE)
    assert engine.predict("flowers", [ROW], PATIENCE)[0].ok
    engine.close()


def test_two_processes_share_it_and_one_that_is_killed_takes_nothing_along(
    models: Workspace, held: Held
) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from core.inference.process import EngineProcess; from core.inference.messages import Row;"
        "from core.workspace import Workspace;"
        "e = EngineProcess(Workspace(Path(sys.argv[1])), 'cpu', threads=8); e.load('digits');"
        "print(e.pid, flush=True);"
        "e.predict('digits', [Row('p', {'image': Path(sys.argv[2])})])"
    )
    with EngineProcess(models, "cpu", threads=8) as engine:
        other = subprocess.Popen(
            [sys.executable, "-P", "-c", code, str(models.home), str(held.path)],
            stdout=subprocess.PIPE,
        )
        assert other.stdout is not None
        process = psutil.Process(int(other.stdout.readline()))
        held.wait()
        assert process.nice() > psutil.Process().nice()
        assert engine.predict("flowers", [ROW], PATIENCE)[0].ok
        assert engine.pid == process.pid, "a picture that does not come holds up its model alone"
        other.kill()
        other.wait()
        assert engine.predict("flowers", [ROW], PATIENCE)[0].ok
        assert engine.pid == process.pid
    process.wait(PATIENCE)
    other.stdout.close()


def test_who_asks_and_never_reads_is_hung_up_on_and_in_nobodys_way(models: Workspace) -> None:
    with EngineProcess(models, "cpu", threads=10) as engine, socket(AF_UNIX) as deaf:
        assert engine.predict("flowers", [ROW], PATIENCE)[0].ok
        process = psutil.Process(engine.pid)
        held = process.memory_info().rss
        deaf.settimeout(PATIENCE)
        deaf.connect(str(engine._door.socket))
        # The answer to a row has its name, however long that is.
        row = Row("x" * (4 << 20), dict(ROW.values)).to_json()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for number in range(1000):
                asked = {"id": number, "op": "predict", "model": "flowers", "rows": [row]}
                deaf.sendall(frame(asked))
                assert engine.predict("flowers", [ROW], PATIENCE)[0].ok
        assert process.memory_info().rss - held < 2 * READER_MAY * MOST_UNREAD
        assert engine.predict("flowers", [ROW], PATIENCE)[0].ok
        assert engine.pid == process.pid
        assert f"process {os.getpid()} was hung up on" in engine._door.log.read_text()


def test_it_leaves_when_idle_and_is_back_for_whoever_stayed(
    models: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EngineProcess(models, "cpu", threads=9) as engine:
        engine.predict("flowers", [ROW], PATIENCE)
        first = psutil.Process(engine.pid)
        way = engine._door
        monkeypatch.setattr(sys, "executable", "/bin/false")
        for _ in range(30):
            assert engine.predict("flowers", [ROW], PATIENCE)[0].ok
        assert first.is_running()
        monkeypatch.undo()
        assert stat.S_IMODE(way.socket.stat().st_mode) == 0o600
    first.wait(PATIENCE)
    assert not way.socket.exists()
    # What is left by one that was killed is no hindrance.
    way.socket.touch()
    with EngineProcess(models, "cpu", threads=9) as engine:
        assert engine.predict("flowers", [ROW], PATIENCE)[0].ok


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The session's own folder, of a name that is short enough for sockets."""
    with TemporaryDirectory() as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


def test_after_an_upgrade_who_comes_gets_an_engine_of_the_new_files(
    models: Workspace, sessions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "installed"
    shutil.copytree(door.PROGRAM, installed / "core", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("PYTHONPATH", str(installed))
    code = (
        "import sys; from pathlib import Path;"
        "from core.inference.process import EngineProcess; from core.workspace import Workspace;"
        "e = EngineProcess(Workspace(Path(sys.argv[1])), 'cpu'); e._submit('ping').result(60);"
        "print(e.pid, flush=True); sys.stdin.read()"
    )
    run = [sys.executable, "-P", "-c", code, str(models.home)]
    made: list[subprocess.Popen[bytes]] = []
    with ExitStack() as stack:

        def client() -> psutil.Process:
            """The engine that one who stays comes to."""
            one = subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            made.append(stack.enter_context(one))
            assert one.stdout is not None
            return psutil.Process(int(one.stdout.readline()))

        before = client()
        assert client() == before
        changed = installed / "core" / "tasks" / "base.py"
        changed.write_text(changed.read_text() + "# upgraded\n")
        after = client()
        assert after != before
        assert before.is_running(), "it is left to those who are there"
        for each in made[:-1]:
            each.communicate()
        before.wait(PATIENCE)
        assert client() == after, "who leaves takes no other's socket away"
        for each in made[-2:]:
            each.communicate()
        after.wait(PATIENCE)


def test_a_folder_of_somebody_elses_is_not_used(models: Workspace, sessions: Path) -> None:
    (sessions / "lepton").mkdir(mode=0o777)
    (sessions / "lepton").chmod(0o777)
    with pytest.raises(LeptonError, match="not yours alone"):
        EngineProcess(models, "cpu")


def test_a_folder_whose_name_is_too_long_for_sockets_is_passed_over(
    models: Workspace, sessions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    longer = sessions / ("a" * 100)
    longer.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(longer))
    assert not door.socket_folder().is_relative_to(longer)
    with EngineProcess(models, "cpu") as engine:
        assert engine.predict("flowers", [ROW], PATIENCE)


def test_a_socket_that_cannot_be_reached_is_told(models: Workspace, sessions: Path) -> None:
    with EngineProcess(models, "cpu") as engine:
        # One of a name that no system knows: what was asked must not wait for ever.
        engine._door.socket = sessions / ("a" * 200)
        with pytest.raises(LeptonError, match="cannot be started or reached"):
            engine.predict("flowers", [ROW], PATIENCE)


def test_a_child_that_cannot_start_tells_why(
    models: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EngineProcess(models, "abacus") as engine, pytest.raises(UsageError, match="no device"):
        engine.predict("flowers", [ROW], PATIENCE)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with (
        EngineProcess(models, "cpu", threads=3) as engine,
        pytest.raises(LeptonError, match="exit code 1"),
    ):
        engine.predict("flowers", [ROW], PATIENCE)
