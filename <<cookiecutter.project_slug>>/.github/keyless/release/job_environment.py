"""The job as its environment shows it, where infra/ stands, and the commands a reader can type."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import NamedTuple

from keyless import paths


class Release(NamedTuple):
    """What deploy.yml says in env:, and the commit of the run."""

    registry: str  # its host
    repository: str  # of ECR
    version: str  # the first tag: the Git tag, or main-NUMBER
    second: str  # a tag that holds the commit, or one that moves
    commit: str

    @classmethod
    def of(cls, environment: dict[str, str]) -> Release:
        """Read the environment of a step; what is not there is empty."""
        keys = ("REGISTRY", "ECR_REPOSITORY", "IMAGE_TAG", "SECOND_TAG", "GITHUB_SHA")
        return cls(*(environment.get(key, "") for key in keys))

    @property
    def moving(self) -> str:
        """The tag that moves to the newest version, empty where every tag is immutable."""
        return "" if self.commit in self.second else self.second


def values_file() -> Path:
    """Return the file that says what is in AWS: that of infra/, or infra.json where there is none.

    With BESIDE set it is that of the repository that holds the tool, where infra/ is.
    """
    path = paths.ROOT / paths.TFVARS
    return path if path.is_file() else paths.ROOT / paths.INFRA_JSON


def values_path() -> str:
    """Return the path of that file in its repository, as messages name it."""
    return values_file().relative_to(paths.ROOT).as_posix()


def infra_place() -> str:
    """Return where infra/ stands, as a reader of the log looks for it.

    BESIDE is set where the workflow of another repository runs the job of this one: it is the
    folder of the tool's own repository.
    """
    file = values_file()
    name = ""
    try:
        if file.name == paths.INFRA_JSON:
            written_by = json.loads(file.read_text(encoding="utf-8"))["written_by"]
            name = written_by.partition(":")[0]
        elif os.environ.get("BESIDE"):
            answers = json.loads((paths.ROOT / paths.ANSWERS).read_text(encoding="utf-8"))
            name = answers["default_context"]["github_repository"]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        name = "another repository"
    return f"infra/ of {name}" if name else "infra/"


def region_of_infra() -> str:
    """Return the region of the registry as infra/ has it, empty where that cannot be read."""
    try:
        return str(json.loads(values_file().read_text(encoding="utf-8"))["aws_region"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def trusted_refs(job: Release) -> str:
    """Return a sentence on the refs that the role trusts, empty where that cannot be read."""
    try:
        entries = json.loads(values_file().read_text(encoding="utf-8"))["repositories"].values()
        (refs,) = (each["refs"] for each in entries if each["ecr_repository"] == job.repository)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return ""
    return f"The role trusts {' and '.join(refs)}. "


def asked_credentials() -> dict[str, str]:
    """Return what the job gives configure-aws-credentials, by the names of its inputs.

    What an expression holds is known where it is a variable of the job; other inputs are left out.
    """
    named = re.search(r"(\.github/workflows/[^@]+)@", os.environ.get("GITHUB_WORKFLOW_REF", ""))
    path = named[1] if named else f"{paths.WORKFLOWS}/deploy.yml"
    path = paths.SHARED_WORKFLOW if os.environ.get("BESIDE") else path
    try:
        text = (paths.ROOT / path).read_text(encoding="utf-8")
    except OSError:
        return {}
    step = re.split(r"\n *- ", text.partition("aws-actions/configure-aws-credentials@")[2])[0]
    found = re.findall(r"(?m)^ +([\w-]+): *[\"']?(.*?)[\"']? *(?: #.*)?$", step)
    variable = re.compile(r"\$\{\{ *env\.(\w+) *\}\}")
    given = {
        key: variable.sub(lambda match: os.environ.get(match[1], ""), value) for key, value in found
    }
    return {key: value for key, value in given.items() if value and "${{" not in value}


def is_branch() -> bool:
    """Tell whether a push to a branch publishes, and not a tag."""
    return os.environ.get("GITHUB_REF_TYPE") == "branch"


def rerun_command() -> str:
    """Return the command that runs this job again, with the files of the same commit."""
    return f"gh run rerun {os.environ.get('GITHUB_RUN_ID', 'RUN_ID')}"


def bootstrap_command(options: str = "") -> str:
    """Return the command that makes in AWS what infra/ says, and where it is to be typed."""
    place = infra_place().partition(" of ")[2]
    return "make bootstrap" + f' ARGS="{options}"' * bool(options) + f"  # in {place}" * bool(place)


def apply_commands() -> tuple[str, str]:
    """Return what makes in AWS what infra/ says, and then runs this job again."""
    return bootstrap_command(), rerun_command()


def publish_command(target: str) -> str:
    """Return the command that publishes a commit, or the newest one of a branch, anew."""
    if is_branch():
        return "git commit --allow-empty --message Release && git push"
    return f"gh release create vNEXT --target {target} --generate-notes"
