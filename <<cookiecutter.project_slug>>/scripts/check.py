#!/usr/bin/env python3
"""Check that the workflows and the Terraform of this repository name the same things.

    python3 scripts/check.py

It reads .github/workflows/, infra/terraform.tfvars.json and infra/repository/registry.tf, prints
each finding as `path:line: RULE message` with the mend below it, and changes nothing.

Exit status: 0 they agree, 1 there are findings, 2 something cannot be judged.

Rules:
    same-region         the role is assumed in the region of the registry
    same-role           the workflow assumes a role that infra/ makes, in the account of infra/
    same-registry       the image is pushed to the repository that the role may push to
    unique-tags         every tag names one commit for ever, or is excluded from immutability
    least-permissions   only the job that assumes the role can ask for an OIDC token
    pinned-actions      every action is pinned to a full commit SHA, its version in a comment
    known-keys          infra/terraform.tfvars.json holds no key that Terraform would ignore
    cannot-be-judged    a value is not known before the workflow runs
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

TFVARS = "infra/terraform.tfvars.json"
REGISTRY = "infra/repository/registry.tf"
WORKFLOWS = ".github/workflows"

CREDENTIALS_ACTION = "aws-actions/configure-aws-credentials"
BUILD_ACTION = "docker/build-push-action"

ENTRY_KEYS = {
    "github_repository",
    "subject_prefix",
    "refs",
    "environment",
    "ecr_repository",
    "role_name",
}
# GitHub docs, "Contexts": each of these has one value for a commit, or a new one for every run.
UNIQUE = re.compile(r"github\.(sha|run_id|run_number|ref_name|event\.release\.tag_name)")
UNJUDGED = "cannot-be-judged"


class Finding(NamedTuple):
    """Where something is wrong (line from 1), by which rule, what follows, and what to type."""

    path: str
    line: int
    rule: str
    message: str
    mend: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule} {self.message}\n    {self.mend}"


class CannotJudge(Exception):
    """A file that is needed is missing or cannot be read; the text says which and why."""


class Mapping(dict):  # type: ignore[type-arg]
    """A YAML mapping that knows the line (from 1) of each of its keys; every scalar is text."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}

    def at(self, *path: str) -> Any:
        """Return the value behind a path of keys, or an empty mapping where there is none."""
        value: Any = self
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return Mapping() if value is None else value

    def line(self, key: str) -> int:
        """Return the line of a key, or of the first key of this mapping."""
        return self.lines.get(key) or min(self.lines.values(), default=1)


class Workflow(NamedTuple):
    """One file of .github/workflows."""

    path: str
    text: list[str]
    root: Mapping


class Job(NamedTuple):
    """One job of a workflow."""

    workflow: Workflow
    name: str
    root: Mapping
    steps: list[Mapping]

    def using(self, action: str) -> list[Mapping]:
        """Return the steps that use an action, whatever its version and case."""
        return [
            step
            for step in self.steps
            if str(step.get("uses", "")).lower().startswith(f"{action}@")
        ]

    def assuming(self) -> list[Mapping]:
        """Return the steps that assume a role."""
        return [
            step for step in self.using(CREDENTIALS_ACTION) if step.at("with", "role-to-assume")
        ]

    def resolve(self, step: Mapping, value: Any) -> str:
        """Return a value with `env` filled in; other expressions stay as they are."""
        env: dict[str, Any] = {}
        for scope in (self.workflow.root, self.root, step):
            if isinstance(scope.get("env"), Mapping):  # it may be an expression as a whole
                env.update(scope["env"])
        text = str(value).strip()
        for _ in range(5):  # a value of env may name another one
            text = re.sub(
                r"\$\{\{\s*env\.([\w-]+)\s*\}\}",
                lambda match: str(env.get(match[1], match[0])),
                text,
                flags=re.IGNORECASE,
            )
        return text


def findings(root: Path) -> list[Finding]:
    """Judge a repository.

    Raises:
        CannotJudge: a file that is needed is missing or cannot be read.
    """
    tfvars, registry = read(root, TFVARS), read(root, REGISTRY)
    account, mutability = account_in(tfvars), mutability_in(registry)
    found = [*known_keys(account, tfvars), *immutable_tags(mutability[0], registry)]
    jobs = []
    for path in sorted((root / WORKFLOWS).glob("*")):
        if path.suffix not in (".yml", ".yaml") or not path.is_file():
            continue
        workflow = read_workflow(root, path)
        jobs += jobs_of(workflow)
        found += pinned_actions(workflow)
        found += token_by_default(workflow)
    publishing = [job for job in jobs if job.assuming()]
    if not publishing:
        raise CannotJudge(
            f"{WORKFLOWS}: no job has a step of {CREDENTIALS_ACTION} with role-to-assume"
        )
    for job in jobs:
        found += least_permissions(job)
    for job in publishing:
        entry = entry_of(job, account)
        found += same_region(job, account)
        found += same_role(job, account, entry)
        found += pushed_tags(job, account, entry, mutability)
    return sorted(found)


# Reading


def read(root: Path, path: str) -> str:
    """Return the text of a file of the repository."""
    try:
        return (root / path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CannotJudge(f"{path}: cannot be read ({error})") from error


def account_in(text: str) -> dict[str, Any]:
    """Return what infra/terraform.tfvars.json says."""
    try:
        account = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise CannotJudge(f"{TFVARS}:{line}: not JSON ({getattr(error, 'msg', error)})") from error
    if not has_text(account, "aws_account_id", "aws_region"):
        raise CannotJudge(f"{TFVARS}: needs aws_account_id and aws_region, as text")
    entries = account.get("repositories")
    if not isinstance(entries, dict) or not entries:
        raise CannotJudge(f"{TFVARS}: needs an entry in repositories")
    for name, entry in entries.items():
        if not has_text(entry, "github_repository", "ecr_repository", "role_name"):
            raise CannotJudge(
                f"{TFVARS}: {name} needs github_repository, ecr_repository and role_name, as text"
            )
        refs = entry.get("refs")
        if not isinstance(refs, list) or not all(isinstance(ref, str) for ref in refs):
            raise CannotJudge(f"{TFVARS}: {name} needs refs, a list of text")
    return dict(account)


def has_text(value: Any, *keys: str) -> bool:
    """Tell whether a value is a JSON object with text under each of the keys."""
    return isinstance(value, dict) and all(isinstance(value.get(key), str) for key in keys)


def line_of(text: str, part: str) -> int:
    """Return the first line (from 1) that holds a part, or 1."""
    return next((n for n, line in enumerate(text.splitlines(), 1) if part in line), 1)


def mutability_in(text: str) -> tuple[str, list[str]]:
    """Return the registry's tag mutability and the patterns of the tags excluded from it."""
    mutability = re.findall(r'^\s*image_tag_mutability\s*=\s*"(\w+)"', text, re.MULTILINE)
    if len(mutability) != 1:
        raise CannotJudge(f'{REGISTRY}: needs one line image_tag_mutability = "..."')
    return mutability[0], re.findall(r'^\s*filter\s*=\s*"([^"]+)"', text, re.MULTILINE)


def read_workflow(root: Path, path: Path) -> Workflow:
    """Return a workflow with the lines of its keys."""
    import yaml  # needed nowhere else

    name = path.relative_to(root).as_posix()
    text = read(root, name)
    try:
        node = yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        document = with_lines(node)
    except (yaml.YAMLError, RecursionError, TypeError) as error:
        raise CannotJudge(f"{name}: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(document, Mapping) or not isinstance(document.get("jobs"), Mapping):
        raise CannotJudge(f"{name}: no workflow, it has no jobs")
    return Workflow(name, text.splitlines(), document)


def with_lines(node: Any) -> Any:
    """Return a YAML node as Mapping, list or text; `on` and `true` stay text."""
    if not hasattr(node, "value"):
        return ""
    if isinstance(node.value, str):
        return node.value
    if node.id == "sequence":
        return [with_lines(item) for item in node.value]
    mapping = Mapping()
    for key, value in node.value:
        mapping[key.value] = with_lines(value)
        mapping.lines[key.value] = key.start_mark.line + 1
    return mapping


def jobs_of(workflow: Workflow) -> list[Job]:
    """Return the jobs of a workflow that are written as GitHub documents them."""
    return [
        Job(workflow, name, job, [step for step in job.at("steps") if isinstance(step, Mapping)])
        for name, job in workflow.root["jobs"].items()
        if isinstance(job, Mapping)
    ]


def entry_of(job: Job, account: dict[str, Any]) -> dict[str, Any]:
    """Return the entry of `repositories` that a job publishes for: the only one, or its role's."""
    entries = list(account["repositories"].values())
    step = job.assuming()[0]
    role = job.resolve(step, step.at("with", "role-to-assume")).rpartition("/")[2]
    return next((entry for entry in entries if entry["role_name"] == role), entries[0])


def aws(account: dict[str, Any]) -> tuple[str, str]:
    """Return the partition of the account's region and the domain of its hosts."""
    if account["aws_region"].startswith("cn-"):
        return "aws-cn", "amazonaws.com.cn"
    return "aws-us-gov" if account["aws_region"].startswith("us-gov-") else "aws", "amazonaws.com"


# The two sides


def known_keys(account: dict[str, Any], text: str) -> Iterator[Finding]:
    """Terraform drops an attribute that its type does not know, without a word."""
    for name, entry in account["repositories"].items():
        for key in sorted(set(entry) - ENTRY_KEYS):
            yield Finding(
                TFVARS,
                line_of(text, f'"{key}"'),
                "known-keys",
                f"{name}: Terraform ignores {key!r}, so it has no effect",
                f"remove it, or write one of: {', '.join(sorted(ENTRY_KEYS))}",
            )


def same_region(job: Job, account: dict[str, Any]) -> Iterator[Finding]:
    """The login asks for the registry of the region of the credentials."""
    for step in job.assuming():
        given = job.resolve(step, step.at("with", "aws-region") or "")
        if given != account["aws_region"]:
            yield differs(
                job,
                step,
                "aws-region",
                "same-region",
                given,
                account["aws_region"],
                "so the login would look for the registry in another region",
            )


def same_role(job: Job, account: dict[str, Any], entry: dict[str, Any]) -> Iterator[Finding]:
    """The role's ARN holds partition, account and name; all three come from infra/."""
    number = account["aws_account_id"]
    arn = f"arn:{aws(account)[0]}:iam::{number}:role/{entry['role_name']}"
    for step in job.assuming():
        for key, expected, follows in (
            ("role-to-assume", arn, "so the job would ask for a role that is not made here"),
            ("allowed-account-ids", number, "so the credentials would be refused by the action"),
        ):
            given = job.resolve(step, step.at("with", key) or "")
            accepted = [given] if key == "role-to-assume" else re.split(r"[,\s]+", given)
            if expected not in accepted and (given or key == "role-to-assume"):
                yield differs(job, step, key, "same-role", given, expected, follows)


def differs(
    job: Job, step: Mapping, key: str, rule: str, given: str, expected: str, follows: str
) -> Finding:
    """Return the finding for an input that is not what infra/ says, or cannot be known."""
    inputs = step.at("with")
    where = (job.workflow.path, inputs.line(key))
    if "${{" in given:
        return Finding(
            *where,
            UNJUDGED,
            f"{key} is {given}, whose value only the run knows",
            f"write {key}: {expected}",
        )
    shown = f"{key} is {given}" if given else f"{key} is missing"
    return Finding(
        *where,
        rule,
        f"{shown} and {TFVARS} says {expected}, {follows}",
        f"write {key}: {expected}, or change {TFVARS} and apply it",
    )


def pushed_tags(
    job: Job, account: dict[str, Any], entry: dict[str, Any], mutability: tuple[str, list[str]]
) -> Iterator[Finding]:
    """Judge what the job pushes: to which repository, under which tags."""
    builds = job.using(BUILD_ACTION)
    pushes = [step for step in builds if str(step.at("with", "push")).lower() == "true"]
    if not pushes:
        yield Finding(
            job.workflow.path,
            job.workflow.root["jobs"].line(job.name),
            UNJUDGED,
            f"job {job.name} assumes the role and has no step of {BUILD_ACTION} with push: true",
            "push the image with that action, so that its tags can be read here",
        )
    for step in pushes:
        where = (job.workflow.path, step.at("with").line("tags"))
        tags = job.resolve(step, step.at("with", "tags") or "")
        names = [name.strip() for name in re.split(r"[\n,]", tags) if name.strip()]
        for name in names:
            yield from same_registry(name, where, account, entry)
            yield from unique_tags(name, where, entry, mutability)
        if not names:
            yield Finding(
                *where,
                "unique-tags",
                "the step pushes and has no tags, so nobody could pull what it pushed",
                "write tags, with the version and the commit",
            )


def immutable_tags(mutability: str, text: str) -> Iterator[Finding]:
    """What a version names must never change."""
    if mutability not in ("IMMUTABLE", "IMMUTABLE_WITH_EXCLUSION"):
        yield Finding(
            REGISTRY,
            line_of(text, "image_tag_mutability"),
            "unique-tags",
            f"image_tag_mutability is {mutability}, so a version can be made to name another image",
            'write image_tag_mutability = "IMMUTABLE"',
        )


def split_image(name: str) -> tuple[str, str, str]:
    """Return host, repository and tag of an image's name; an expression counts as one word."""
    match = re.fullmatch(r"(\$\{\{.*?\}\}|[^/]+)/(.+?):((?:\$\{\{.*?\}\}|[^:/])+)", name)
    return (match[1], match[2], match[3]) if match else ("", name, "")


def same_registry(
    name: str,
    where: tuple[str, int],
    account: dict[str, Any],
    entry: dict[str, Any],
) -> Iterator[Finding]:
    """The role may push to one repository of one registry."""
    host, repository, tag = split_image(name)
    own = f"{account['aws_account_id']}.dkr.ecr.{account['aws_region']}.{aws(account)[1]}"
    login = re.fullmatch(r"\$\{\{ *steps\.[\w-]+\.outputs\.registry *\}\}", host)
    if "${{" in repository or ("${{" in host and not login) or not tag:
        yield Finding(
            *where,
            UNJUDGED,
            f"tags has {name}, whose registry and repository only the run knows",
            f"write ${{{{ steps.registry.outputs.registry }}}}/{entry['ecr_repository']}:TAG",
        )
    elif repository != entry["ecr_repository"] or not (login or host == own):
        yield Finding(
            *where,
            "same-registry",
            f"the image goes to {host}/{repository} and the role may push to {own}/"
            f"{entry['ecr_repository']} ({TFVARS}), so the push would be denied",
            f"write the repository {entry['ecr_repository']}, or change {TFVARS} and apply it",
        )


def unique_tags(
    name: str,
    where: tuple[str, int],
    entry: dict[str, Any],
    mutability: tuple[str, list[str]],
) -> Iterator[Finding]:
    """In an immutable repository a tag can be pushed once."""
    tag = split_image(name)[2]
    expressions = re.findall(r"\$\{\{(.*?)\}\}", tag)
    names = {match[1] for text in expressions if (match := UNIQUE.fullmatch(text.strip()))}
    if any(ref.startswith("refs/heads/") for ref in entry.get("refs") or []):
        names.discard("ref_name")  # a branch keeps its name from commit to commit
    if names or not tag:
        return
    if any(not re.fullmatch(r"github\.ref_name", text.strip()) for text in expressions):
        yield Finding(
            *where,
            UNJUDGED,
            f"tags has {name}, whose value only the run knows",
            "write ${{ github.ref_name }}, ${{ github.sha }} or main-${{ github.run_number }}",
        )
    elif not any(fnmatchcase(tag, pattern) for pattern in mutability[1]):
        yield Finding(
            *where,
            "unique-tags",
            f"the tag {tag} is the same for every commit and the registry is immutable "
            f"({REGISTRY}), so the second push would be refused",
            "write a tag that names the commit, for example ${{ github.sha }}",
        )


# The workflows by themselves


def token_by_default(workflow: Workflow) -> Iterator[Finding]:
    """What the workflow grants at its top, every job without permissions of its own gets.

    Unless told so, no job can ask for a token: only where a role is assumed the top must be tidy.
    """
    granted = workflow.root.get("permissions")
    scopes = granted if isinstance(granted, Mapping) else {}
    if any(job.assuming() for job in jobs_of(workflow)):
        tidy = granted in ("", "read-all") or (scopes is granted and "write" not in scopes.values())
    else:
        tidy = granted != "write-all" and scopes.get("id-token") != "write"
    if not tidy:
        yield Finding(
            workflow.path,
            workflow.root.line("permissions"),
            "least-permissions",
            "the workflow grants writing to every job, or says nothing and leaves it to a setting",
            "write permissions: {} at the top, and what a job needs in the job",
        )


def least_permissions(job: Job) -> Iterator[Finding]:
    """A token for the role can be asked for by the job that assumes it, and by no other."""
    if str(job.root.get("uses", "")).startswith("./"):
        return  # a workflow of this repository: its own jobs are judged
    granted = job.root.get("permissions")
    given = dict(granted) if isinstance(granted, Mapping) else {}
    given = {key: value for key, value in given.items() if value != "none"}
    where = (job.workflow.path, job.workflow.root["jobs"].line(job.name))
    if isinstance(granted, Mapping):
        where = (job.workflow.path, job.root.line("permissions"))
    if job.assuming():
        needed = {"contents": "read", "id-token": "write"}
        if given != needed:
            missing = [f"{key}: {needed[key]}" for key in needed if given.get(key) != needed[key]]
            extra = [f"{key}: {given[key]}" for key in given if key not in needed]
            yield Finding(
                *where,
                "least-permissions",
                f"job {job.name} assumes the role"
                + (f" and lacks {', '.join(missing)}, so it would fail" if missing else "")
                + (f" and has {', '.join(extra)}, which it does not need" if extra else ""),
                "write permissions: {contents: read, id-token: write} in the job, and nothing else",
            )
    elif given.get("id-token") == "write" or granted == "write-all":
        yield Finding(
            *where,
            "least-permissions",
            f"job {job.name} can ask for an OIDC token and assumes no role, so its steps could "
            "publish as this repository",
            "remove id-token: write from it",
        )


def pinned_actions(workflow: Workflow) -> Iterator[Finding]:
    """A tag can be moved to other code; a full commit SHA cannot (GitHub docs, secure use)."""
    blocks = [(job.root, *job.steps) for job in jobs_of(workflow)]
    for block in (block for job in blocks for block in job if "uses" in block):
        used, line = str(block["uses"]), block.line("uses")
        if used.startswith("./"):
            continue
        written = " ".join(workflow.text[line - 1 : line + 1]).partition(used)[2]
        # A version may be written as v4, 4.1.0, tag=v4 or ratchet:owner/action@v4.
        commented = re.match(r"""["']?\s*#.*?\bv?\d""", written)
        image = used.startswith("docker://")
        pinned = re.search("@sha256:[0-9a-f]{64}$" if image else "@[0-9a-fA-F]{40}$", used)
        if not pinned or not (commented or image):
            yield Finding(
                workflow.path,
                line,
                "pinned-actions",
                f"{used} is not pinned to a full commit SHA with its version in a comment, so "
                "other code could run under the same name",
                "write owner/action@SHA # vVERSION; this shows the SHA: "
                "git ls-remote https://github.com/OWNER/ACTION VERSION",
            )


def main() -> int:
    """Judge the repository that this file stands in; return the exit status."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    root = Path(__file__).resolve().parent.parent
    try:
        found = findings(root)
    except CannotJudge as reason:
        print(f"{reason}\n    so it is not known whether a release would be published")
        return 2
    except ImportError:
        print("PyYAML is missing, so no workflow can be read\n    make check  installs it in .venv")
        return 2
    for finding in found:
        print(finding)
    if not found:
        print(f"{WORKFLOWS} and infra agree: role, region, registry, tags, permissions and pins")
    return 1 if {finding.rule for finding in found} - {UNJUDGED} else 2 if found else 0


if __name__ == "__main__":
    sys.exit(main())
