"""The service: trained models behind HTTP. The engine that answers is a process of its own."""

from __future__ import annotations

from importlib.util import find_spec

from core.errors import UsageError

NEEDED = ("starlette", "uvicorn", "httptools", "uvloop", "python_multipart", "prometheus_client")


def require_extra() -> None:
    """Whether what the service is made of is installed.

    Raises:
        UsageError: it is not; says what to install.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        named = ", ".join(name.replace("_", "-") for name in missing)
        raise UsageError(
            f"the service needs {named}", hint="Install it: pip install 'lepton-tui[serve]'"
        )
