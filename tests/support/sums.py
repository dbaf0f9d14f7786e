"""The checksums of the files of infra/, for each form in which they are generated.

`python -m tests.support.sums` writes them into the tool (model/generated.py).
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.standins.emulator import ROOT
from tests.support.generating import TEMPLATE_PROJECT, TOOL

MODULE = TEMPLATE_PROJECT / TOOL / "model/generated.py"
TABLE = re.compile(r"(?ms)^SUMS: dict\[str, dict\[str, str\]\] = \{\n.*?^\}\n")
# The forms of a file, and the answers that lead to each. The first one is the plainest.
KINDS = {
    "plain": {},
    "latest": {"second_tag": "latest"},
    "backend": {"state_bucket": "octo-state"},
    "ecs-express": {"deploy_to": "ecs-express"},
    "app-runner": {"deploy_to": "app-runner"},
}


def sums() -> dict[str, dict[str, str]]:
    """Return, for each file, its checksums and the form that each belongs to."""
    from keyless.model.generated import sum_of

    found: dict[str, dict[str, str]] = {}
    for kind, answers in KINDS.items():
        with tempfile.TemporaryDirectory() as folder:
            root = generate_without_hook(Path(folder), answers)
            for file in sorted((root / "infra").rglob("*.tf")):
                path = file.relative_to(root).as_posix()
                found.setdefault(path, {}).setdefault(sum_of(path, file.read_text()), kind)
    return found


def generate_without_hook(folder: Path, answers: dict[str, str]) -> Path:
    """Generate a project without its hook, which the tool with its old sums would stop."""
    given = [f"{key}={value}" for key, value in answers.items()]
    options = ["--no-input", "--accept-hooks", "no", "--output-dir", str(folder)]
    command = [sys.executable, "-m", "cookiecutter", str(ROOT), *options, *given]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "example-service"


def written(text: str, found: dict[str, dict[str, str]]) -> str:
    """Return the text of the module with other sums."""
    lines = []
    for path in sorted(found):
        pairs = [f'        "{each}": "{kind}",' for each, kind in found[path].items()]
        lines += [f'    "{path}": {{', *pairs, "    },"]
    table = "SUMS: dict[str, dict[str, str]] = {\n" + "\n".join(lines) + "\n}\n"
    assert TABLE.search(text)
    return TABLE.sub(lambda _: table, text)


if __name__ == "__main__":
    sys.path.append(str(TEMPLATE_PROJECT / ".github"))
    MODULE.write_text(written(MODULE.read_text(), sums()))
