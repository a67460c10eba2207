"""`lepton devices` and what `lepton doctor` says of them."""

import psutil

from core.runs.queue_devices import Devices


def test_the_devices_are_listed_with_their_use(lepton):
    found = lepton("devices", "--json").json
    processor = found[-1]
    assert list(processor) == [
        "name",
        "label",
        "memory",
        "free",
        "busy",
        "temperature",
        "holders",
        "runs",
        "failed",
    ]
    assert (processor["name"], processor["memory"]) == ("cpu", psutil.virtual_memory().total)
    assert 0 < processor["free"] < processor["memory"]
    assert 0 <= processor["busy"] <= 100
    assert isinstance(processor["holders"], list)
    told = lepton("devices").out
    assert told.startswith(f"{found[0]['name']}  {found[0]['label']}\n")
    assert " free of " in told


def test_a_device_that_failed_is_listed_with_why(lepton, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    lepton.env["XDG_STATE_HOME"] = str(tmp_path / "state")
    assert lepton("devices", "--json").json[-1]["failed"] is None
    Devices().blame("cpu", "CUDA error: GPU is lost")
    assert lepton("devices", "--json").json[-1]["failed"] == "CUDA error: GPU is lost"
    why = "it failed under a run, and has not answered since: CUDA error: GPU is lost"
    assert why in lepton("devices").out


def test_the_doctor_says_why_no_device_is_known(lepton, tmp_path):
    broken = tmp_path / "broken" / "torch"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise OSError('libcuda.so is of another version')")
    lepton.env["PYTHONPATH"] = str(broken.parent)
    assert "libcuda.so is of another version" in lepton("doctor", "--json").json["devices"][0]
    said = lepton("devices")
    assert (said.code, said.out) == (1, "")
    assert "torch does not load" in said.err
    assert "pip install torch" in said.err


def test_the_doctor_sees_a_damaged_queue(lepton):
    lepton.home.mkdir()
    (lepton.home / "queue.json").write_text("[")
    said = lepton("doctor")
    assert said.code == 1
    assert "✗ the file of the queue is damaged" in said.out
