"""Folders of sounds: WAV by Python alone, FLAC, OGG and MP3 through soundfile."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

from core.data.lake.lake import Lake
from core.data.sources import import_source
from core.data.sources.media.sounds import Sound, read_sound
from core.errors import LeptonError
from tests.data.conftest import Refuses
from tests.data.sources.files import read, types, write
from tests.data.sources.media import encoded, wav


def test_sounds_by_class_with_their_length_rate_and_channels(lake: Lake, tmp_path: Path) -> None:
    root = tmp_path / "words"
    write(root / "no" / "a.wav", wav(8000))
    write(root / "no" / "b.WAV", wav(4000, rate=16_000, channels=2, width=3))
    write(root / "yes" / "c.flac", encoded("FLAC", 4000))
    write(root / "yes" / "d.ogg", encoded("OGG", 4000, channels=2))
    write(root / "yes" / "e.mp3", encoded("MP3", 16_000, rate=16_000))
    write(root / "yes" / "f", encoded("FLOAT", 800))
    report, rows = read(lake, root)
    assert report.version.params["format"] == "audio"
    assert report.version.columns[0].media == "audio"
    assert types(report) == {
        "audio": "BLOB",
        "seconds": "DOUBLE",
        "rate": "BIGINT",
        "channels": "BIGINT",
        "label": "VARCHAR",
        "path": "VARCHAR",
    }
    assert rows[0][0] == wav(8000)
    facts = [(round(row[1], 1), *row[2:]) for row in rows]
    assert facts == [
        (1.0, 8000, 1, "no", "no/a.wav"),
        (0.2, 16000, 2, "no", "no/b.WAV"),
        (0.5, 8000, 1, "yes", "yes/c.flac"),
        (0.5, 8000, 2, "yes", "yes/d.ogg"),
        (facts[4][0], 16000, 1, "yes", "yes/e.mp3"),
        (0.1, 8000, 1, "yes", "yes/f"),
    ]
    assert 0.9 < facts[4][0] < 1.2, "MP3 pads its ends"


def test_sounds_labelled_by_a_table(lake: Lake, tmp_path: Path) -> None:
    for i in range(3):
        write(tmp_path / "clips" / f"{i}.wav", wav(100 + i))
    write(tmp_path / "clips" / "metadata.csv", "file_name,text\n1.wav,one\n0.wav,none\n2.wav,two\n")
    report, rows = read(lake, tmp_path / "clips")
    assert [row[4:] for row in rows] == [("one", "1.wav"), ("none", "0.wav"), ("two", "2.wav")]
    assert [row[1] for row in rows] == [101 / 8000, 100 / 8000, 102 / 8000]
    assert list(types(report))[4:] == ["text", "path"]


BAD = {
    "zero.wav": (wav(0), "no length"),
    "empty.wav": (b"", "the file is empty"),
    "text.wav": (b"hello, this is no sound", "no sound that can be decoded"),
    "cut.wav": (wav(4000)[:-1000], "cut short: 3,500 of 4,000"),
    "cut.flac": (encoded("FLAC")[:-300], "does not decode"),
    "cut.ogg": (encoded("OGG", 40_000)[:-300], "cut short"),
    "head.mp3": (b"ID3" + bytes(200), "does not decode"),
    "rate.wav": (wav(100).replace(struct.pack("<I", 8000), bytes(4)), "rate"),
}


def test_sounds_that_do_not_decode_are_left_out_with_the_reason(lake: Lake, tmp_path: Path) -> None:
    for i in range(9):
        write(tmp_path / "set" / "good" / f"{i}.wav", wav(100 + i))
    for name, (content, _) in BAD.items():
        write(tmp_path / "set" / "bad" / name, content)
    (tmp_path / "set" / "bad" / "out.wav").symlink_to(write(tmp_path / "secret.wav", wav(50)))
    report = import_source(lake, tmp_path / "set")
    assert report.version.rows == 9
    told = {reject.where: reject.what for reject in report.rejects}
    assert set(told) == {f"bad/{name}" for name in BAD}
    for name, (_, words) in BAD.items():
        assert words in told[f"bad/{name}"], name
    assert any("1 link out of the folder" in note for note in report.notes)


def test_a_wav_written_into_a_pipe_has_the_length_of_its_data() -> None:
    piped = bytearray(wav(4000))
    piped[4:8] = piped[40:44] = b"\xff\xff\xff\xff"
    assert read_sound(bytes(piped)) == Sound(0.5, 8000, 1)


def test_without_the_library_wav_is_read_and_others_say_what_to_install(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuses: Refuses
) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    write(tmp_path / "set" / "a" / "0.wav", wav(100))
    assert import_source(lake, tmp_path / "set").version.rows == 1
    write(tmp_path / "set" / "b" / "0.flac", b"fLaC" + bytes(100))
    error = refuses(tmp_path / "set", "a library that is not installed")
    assert "pip install 'lepton-tui[audio]'" in error.hint
    with pytest.raises(LeptonError, match="not installed"):
        read_sound(b"OggS" + bytes(100))


def test_one_sound_is_not_a_folder(tmp_path: Path, refuses: Refuses) -> None:
    path = write(tmp_path / "a.wav", wav(100))
    refuses(path, "this is a WAV sound, one file", code=2)
