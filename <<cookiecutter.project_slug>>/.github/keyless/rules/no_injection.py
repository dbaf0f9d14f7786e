"""No script contains an expression whose text other people can choose."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.model.documents import Mapping
from keyless.model.findings import Finding
from keyless.model.jobs import Job
from keyless.model.repository import Repository
from keyless.model.workflows import Workflow

ID = "no-injection"
WHY = (
    "GitHub pastes an expression into the script before the shell reads it. A title or the name"
    " of a ref can contain commands."
)
SOURCES = (
    (
        "GitHub: script injections",
        "https://docs.github.com/en/actions/concepts/security/script-injections",
    ),
)
BEFORE = 'run: echo "${{ github.event.release.name }}"'
AFTER = """\
env:
  NAME: ${{ github.event.release.name }}
run: echo "$NAME\""""
# Values of an event that nobody can choose freely.
SAFE = (
    r"github\.event\.(before|after|action|(repository|sender|organization)\..*|(?!inputs|client)"
    r".*\.(\w*id|number|sha|login|state|conclusion|draft|prerelease|merged|size|created_at))"
)
FREE = r"github(\.(head_|base_)?ref(_name)?)?|inputs(\..*)?"


def find(repository: Repository) -> Iterator[Finding]:
    """Look at the scripts of every workflow and composite action."""
    for source in repository.sources:
        typed = _typed_inputs(source)
        for job, step in source.parts():
            script = step.text("run")
            if step.action().startswith("actions/github-script@"):
                script = step.input("script")
            script = Job(source, "", job, {}, []).resolve(step, script)
            for name in sorted(_names_in(script) - typed):
                free = re.fullmatch(FREE, name)
                event = re.match(r"github\.event\b", name) and not re.fullmatch(SAFE, name)
                if free or event:
                    message = f"{name} is pasted into the script, so anyone who chooses it runs"
                    mend = 'write it into env: and read it as "$NAME"'
                    line = step.line("run" if "run" in step else "with")
                    yield Finding(source.path, line, ID, f"{message} commands", mend)


def _typed_inputs(source: Workflow) -> set[str]:
    """Return the inputs of a workflow that cannot hold any text."""
    declared = {**source.root.of("on", "workflow_call", "inputs")}
    declared.update(source.root.of("on", "workflow_dispatch", "inputs"))
    return {
        f"{start}.{name}".lower()
        for name in declared
        if isinstance(declared[name], Mapping)
        and declared[name].text("type") in ("boolean", "number", "choice")
        for start in ("inputs", "github.event.inputs")
    }


def _names_in(script: str) -> set[str]:
    """Return the names in the expressions of a script, in lower case."""
    found = re.findall(r"\$\{\{((?:'[^']*'|[^'])*?)\}\}", script)
    inside = re.sub(r"\[\s*'([\w-]+)'\s*\]", r".\1", " ".join(found).lower())
    inside = re.sub(r"'[^']*'", "", inside)
    return set(re.findall(r"[a-z_][\w-]*(?:\.[\w*-]+)*", inside))
