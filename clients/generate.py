"""Generates both clients from the OpenAPI document of any Lepton service: `make clients`.

With --check nothing is written; it ends with 1 where what is there is not what would be generated.
With a document of your own models (`lepton serve MODEL… --openapi`) it makes clients of those.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
TOOLS = HERE / ".venv" / "bin"
"""openapi-python-client and node, as locked in generators.txt."""
DOCUMENT = Path("openapi.json")
PACKAGE = Path("python/lepton_client")
TYPES = Path("typescript/src/schema.ts")
WHOLE = (PACKAGE / "api", PACKAGE / "models")
"""Folders in which everything is generated."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="Write nothing; tell what differs.")
    parser.add_argument("--document", type=Path, help="Make clients of this document instead.")
    parser.add_argument("--into", type=Path, help="The folder for those; it must not be there.")
    asked = parser.parse_args()
    if (asked.document is None) != (asked.into is None):
        parser.error("--document and --into go together")
    if asked.into is not None:
        return own(asked.document, asked.into)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        generate(made)
        differing = sorted(drift(made))
        if asked.check:
            for path in differing:
                print(f"clients/{path} is not what would be generated")
            print("Run make clients." if differing else "The clients are as generated.")
            return int(bool(differing))
        for path in WHOLE:
            shutil.rmtree(HERE / path, ignore_errors=True)
        shutil.copytree(made, HERE, dirs_exist_ok=True)
        print(f"{len(differing)} files of the clients have changed.")
    return 0


def own(document: Path, into: Path) -> int:
    """Clients of the models of one document: a Python package, and the types for TypeScript."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        package = made / PACKAGE.name
        # Of an upload's types one is enough; the generator warns of the others.
        generate_python(document.resolve(), package)
        for name in ("streaming.py", "py.typed"):
            shutil.copy(HERE / PACKAGE / name, package)
        (made / TYPES.name).write_text(generated_types(document.resolve()), "utf-8")
        try:
            shutil.copytree(made, into)
        except FileExistsError:
            print(f"{into} is there already", file=sys.stderr)
            return 2
    print(f"{into} has {PACKAGE.name} for Python and {TYPES.name} for TypeScript.")
    return 0


def generate(made: Path) -> None:
    """Write everything that is generated below this folder."""
    package = made / PACKAGE
    for path in (package, made / TYPES.parent):
        path.mkdir(parents=True)
    tell = [sys.executable, "-P", "-m", "lepton_tui", "serve", "--openapi"]
    (made / DOCUMENT).write_text(said(*tell), "utf-8")
    generate_python(made / DOCUMENT, package, "--fail-on-warning")
    (made / TYPES).write_text(generated_types(made / DOCUMENT), "utf-8")


def generated_types(document: Path) -> str:
    """The TypeScript types of a document."""
    return said("node", HERE / "typescript" / "generate.mjs", document)


def generate_python(document: Path, package: Path, *options: str) -> None:
    """The Python client of a document."""
    config = HERE / "python" / "generator.yaml"
    words = ["--path", document, "--config", config, "--meta", "none", *options]
    said("openapi-python-client", "generate", *words, "--overwrite", "--output-path", package)
    for path in package.rglob("*.py"):
        path.write_text(mended(path.read_text("utf-8")), "utf-8")
    # Isolated, so that the same comes out wherever it is made.
    said("ruff", "check", "--isolated", "--fix-only", "--quiet", "--select=F401,I", package)
    said("ruff", "format", "--isolated", "--quiet", package)


def mended(text: str) -> str:
    """Without three faults of the generator."""
    # A body that may be of several types is required all the same.
    text = re.sub(r"(body:[^=,()]*?)\s*\|\s*Unset\s*=\s*UNSET\s*,", r"\1,", text)
    # mypy --strict does not let pass that what is a list already is said to be one.
    text = text.replace("= cast(list[Any], data)\n", "= data\n")
    # httpx's async client takes no open file, only its bytes.
    return text.replace('["content"] = body.payload\n', '["content"] = body.payload.read()\n')


def said(*words: str | Path) -> str:
    """What a command prints; its errors go where ours go."""
    env = {**os.environ, "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(words, env=env, cwd=HERE.parent, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise SystemExit(f"{Path(words[0]).name} failed\n{done.stdout.decode()}")
    return done.stdout.decode()


def drift(made: Path) -> Iterator[Path]:
    """The files that are not there as they were made, or are there and no longer made."""
    expected = {path.relative_to(made) for path in made.rglob("*") if path.is_file()}
    kept = {path.relative_to(HERE) for folder in WHOLE for path in (HERE / folder).rglob("*.py")}
    for path in expected | kept:
        here, there = HERE / path, made / path
        same = here.is_file() and there.is_file() and here.read_bytes() == there.read_bytes()
        if not same:
            yield path


if __name__ == "__main__":
    sys.exit(main())
