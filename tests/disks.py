"""A disk that is soon full."""

import contextlib
import subprocess

import pytest


@contextlib.contextmanager
def small_disk(folder, size):
    """A file system of its own at a folder; gives what makes it larger."""

    def mount(*words):
        subprocess.run(["mount", *words, str(folder)], check=True, capture_output=True)

    try:
        mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root may mount a small file system")
    try:
        yield lambda more: mount("-o", f"remount,size={more}")
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
