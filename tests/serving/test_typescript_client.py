"""The TypeScript client asks a live service, and what is of a wrong type does not compile."""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

import pytest

from core.workspace import Workspace
from tests.inference.conftest import png
from tests.serving.clients import CLIENTS, chat, digit, done, guarded, penguins_and_digits, readme
from tests.serving.conftest import Running, Start

HERE = CLIENTS / "typescript"
TOOLS = CLIENTS / ".venv" / "bin"
COMPILER = HERE / "node_modules" / ".bin" / "tsc"
CALL = """
import {{ lepton }} from "lepton-client";
const client = lepton("http://127.0.0.1:8000");
const {{ data, error }} = await client.POST("/v1/models/{{model}}:predict", {{
  params: {{ path: {{ model: "penguins_mlp" }} }},
  body: {{ {body} }},
}});
{rest}
"""
WRONG = [
    ("instances: [{ island: new Date() }]", "", "Date"),
    ("instances: 3", "", "number"),
    ("file: ['digit.png']", "", "string"),
    ("instances: ['x']", "if (error) error.reason;", "reason"),
    ("instances: ['x']", "data.predictions;", "undefined"),
    ("instances: ['x']", "data?.predictions[0]?.label;", "label"),
]
"""The body, what is done with the answer, and a word of what the compiler says."""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not COMPILER.exists(), reason="its tools come with: make clients-check"),
]


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return penguins_and_digits(tmp_path_factory.mktemp("typescript"))


@pytest.fixture(scope="module")
def asked(lepton_serve: Start, home: Workspace) -> tuple[Running, str]:
    return guarded(lepton_serve, home)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Path:
    """A project of somebody's that has the client, compiled, among its packages."""
    made = tmp_path_factory.mktemp("project")
    client = made / "node_modules" / "lepton-client"
    done(COMPILER, "--project", HERE, "--outDir", client / "dist", env=environment)
    for package in ("package.json", "node_modules"):
        (client / package).symlink_to(HERE / package)
    (made / "node_modules" / "@types").symlink_to(HERE / "node_modules" / "@types")
    (made / "node_modules" / "undici-types").symlink_to(HERE / "node_modules" / "undici-types")
    (made / "package.json").write_text('{"type": "module"}')
    return made


def compiled(
    project: Path, environment: dict[str, str], **programs: str
) -> subprocess.CompletedProcess[str]:
    for name, code in programs.items():
        (project / f"{name}.ts").write_text(code, "utf-8")
    words = ["--strict", "--target", "es2022", "--module", "nodenext", "--types", "node"]
    return subprocess.run(
        [COMPILER, *words, *(f"{name}.ts" for name in programs)],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_client_asks_a_live_service(
    asked: tuple[Running, str], environment: dict[str, str], tmp_path: Path
) -> None:
    service, token = asked
    words = ["--project", HERE / "test" / "tsconfig.json", "--noEmit", "false"]
    done(COMPILER, *words, "--outDir", tmp_path, env=environment)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "node_modules").symlink_to(HERE / "node_modules")
    with chat() as address:
        told = {
            "LEPTON_URL": service.address,
            "LEPTON_KEY": token,
            "LEPTON_PICTURE": base64.b64encode(png(5)).decode(),
            "LEPTON_CHAT": address,
        }
        tests = tmp_path / "test" / "service.test.js"
        said = done("node", "--test", tests, env=environment | told)
    assert "pass 7" in said


def test_the_readme_runs(
    asked: tuple[Running, str], environment: dict[str, str], project: Path
) -> None:
    service, token = asked
    code = readme("typescript", "ts", service.address, token)
    made = compiled(project, environment, readme=code)
    assert made.returncode == 0, made.stdout
    digit(project)
    first, *_, last = done("node", "readme.js", cwd=project, env=environment).splitlines()
    assert first.partition(" ")[0] in ("Adelie", "Chinstrap", "Gentoo")
    assert last == "501"


def test_a_wrong_type_does_not_compile(project: Path, environment: dict[str, str]) -> None:
    programs = {
        f"wrong{at}": CALL.format(body=body, rest=rest) for at, (body, rest, _) in enumerate(WRONG)
    }
    programs["right"] = CALL.format(body="instances: ['x']", rest="if (error) error.hint;")
    made = compiled(project, environment, **programs)
    faults = [line for line in made.stdout.splitlines() if "error TS" in line]
    assert [line.partition("(")[0] for line in faults] == [f"wrong{at}.ts" for at in range(6)]
    for line, (*_, told) in zip(faults, WRONG, strict=True):
        assert told in line
