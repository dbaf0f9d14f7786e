#!/usr/bin/env python3
"""Prove that the workflows and the Terraform of this repository agree on who may publish what.

    python3 scripts/check.py [--format text|github|json] [--plan PLAN.json]
    python3 scripts/check.py subjects --json    what each role trusts; needs no PyYAML
    python3 scripts/check.py explain            who may assume each role, in words

It reads .github/ and infra/, changes nothing, and prints each finding as `path:line: RULE message`
with the mend below it. docs/rules.md has the reason and the source of each rule.

Exit status: 0 they agree, 1 there are findings, 2 something cannot be judged.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

TFVARS = "infra/terraform.tfvars.json"
TRUST = "infra/repository/trust.tf"
REGISTRY = "infra/repository/registry.tf"
ACTIONS = "infra/repository/push-actions.json"
LIFECYCLE = "infra/repository/lifecycle.json"
WORKFLOWS = ".github/workflows"
LARGEST, DEEPEST = 1_000_000, 50  # bytes of a file, levels of YAML

CREDENTIALS = "aws-actions/configure-aws-credentials"
LOGIN = "aws-actions/amazon-ecr-login"
BUILD = "docker/build-push-action"
ISSUER = "token.actions.githubusercontent.com"
UNJUDGED = "cannot-be-judged"

# An entry of `repositories`: what infra/variables.tf knows, and its kind of value.
ENTRY = {
    "github_repository": "text",
    "subject_prefix": "text or null",
    "refs": "a list of text",
    "dangerously_trust_any_tag": "true or false",
    "environment": "text or null",
    "test_ref": "true or false",
    "test_ids": "true or false",
    "ecr_repository": "text",
    "role_name": "text",
}
# AWS docs, ECR, "Pushing a Docker image": what a push needs, beside ecr:GetAuthorizationToken.
PUSH = (
    *("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload"),
    *("ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage"),
    "ecr:UploadLayerPart",
)
# Events that somebody without write access can cause, or that run beside code of theirs.
UNTRUSTED = re.compile(r"pull_request|workflow_run|issue|discussion|fork$|watch$")
# What decides who is trusted and what is granted, as a digest without comments and white space.
# Where it differs nothing is guessed: the JSON of a plan shows both policies.
WRITTEN = {
    ("infra/oidc.tf", "locals"): "e6db88e527f5d21f",
    ("infra/main.tf", 'module "repository"'): "c5ef04cebea338bf",
    ("infra/variables.tf", 'variable "repositories"'): "3cb57052e57d144a",
    (TRUST, "locals"): "147ee796cadf779c",
    (TRUST, 'data "aws_iam_policy_document" "trust"'): "05d12175cc9e581f",
    (TRUST, 'resource "aws_iam_role" "push"'): "002968f396597ba3",
    (REGISTRY, "locals"): "0cbd83d4bb777989",
    (REGISTRY, 'resource "aws_ecr_lifecycle_policy" "image"'): "8bb2bb94a6c0aa46",
    (REGISTRY, 'data "aws_iam_policy_document" "push"'): "1da306e3b3f46f44",
    (REGISTRY, 'resource "aws_iam_role_policy" "push"'): "2ea10a25757d9925",
}


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

    def of(self, *path: str) -> Mapping:
        """Return the mapping behind a path of keys, or an empty one."""
        value: Any = self
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value if isinstance(value, Mapping) else Mapping()

    def text(self, key: str) -> str:
        """Return the text of a key, stripped; what is no text is empty."""
        value = self.get(key)
        return value.strip() if isinstance(value, str) else ""

    def line(self, key: str) -> int:
        """Return the line of a key, or of the first key of this mapping."""
        return self.lines.get(key) or min(self.lines.values(), default=1)

    def action(self) -> str:
        """Return what a step uses, in lower case; empty where it uses nothing."""
        return self.text("uses").lower()

    def named(self, key: str) -> str | None:
        """Return an input's name as it is written; GitHub ignores its case."""
        return next((name for name in self.of("with") if name.lower() == key), None)

    def input(self, key: str) -> str:
        """Return an input of a step, empty where there is none."""
        return self.of("with").text(self.named(key) or "")


class Source(NamedTuple):
    """One workflow, or one composite action of .github/actions."""

    path: str
    text: list[str]
    root: Mapping

    def parts(self) -> Iterator[tuple[Mapping, Mapping]]:
        """Yield what may use an action or run a script: each job and its steps, with the job."""
        jobs = self.root.of("jobs") or {"": self.root.of("runs")}
        for job in (job for job in jobs.values() if isinstance(job, Mapping)):
            for part in (job, *(job.get("steps") or [])):
                if isinstance(part, Mapping):
                    yield job, part


class Run(NamedTuple):
    """One way in which a job may start: the event, and its ref, which may end in a *.

    `sure` turns false where an expression was passed that nobody can decide before the run, so the
    refs may be fewer.
    """

    event: str
    ref: str
    sure: bool = True


class Job(NamedTuple):
    """One job of a workflow, once for each combination of its matrix and for each caller."""

    source: Source
    name: str
    root: Mapping
    known: dict[str, str]  # the values of matrix.NAME and inputs.NAME
    runs: list[Run]
    callers: tuple[Any, ...] = ()

    @property
    def where(self) -> tuple[str, int]:
        """Where the job begins: path and line."""
        return self.source.path, self.source.root.of("jobs").line(self.name)

    @property
    def steps(self) -> list[Mapping]:
        """The steps, in their order."""
        return self.root.get("steps") or []

    def using(self, action: str) -> list[Mapping]:
        """Return the steps that use an action, whatever its version and case."""
        return [step for step in self.steps if step.action().startswith(f"{action}@")]

    def assuming(self) -> list[Mapping]:
        """Return the steps that assume a role."""
        return [step for step in self.using(CREDENTIALS) if step.input("role-to-assume")]

    def input(self, step: Mapping, key: str) -> str:
        """Return an input of a step, with what is known filled in."""
        return self.resolve(step, step.input(key))

    def resolve(self, step: Mapping, value: str) -> str:
        """Return a text with env, matrix and inputs filled in; other expressions stay."""
        known = dict(self.known)
        for scope in (self.source.root, self.root, step):
            env = scope.of("env")
            known.update({f"env.{key}".lower(): env.text(key) for key in env})
        for _ in range(5):  # a value of env may name another one
            if len(value) > 10_000:
                break
            value = re.sub(
                r"\$\{\{\s*((?:env|matrix|inputs)\.[\w.-]+)\s*\}\}",
                lambda match: known.get(match[1].lower(), match[0])[:1000],
                value,
                flags=re.IGNORECASE,
            )
        return value.strip()

    def values(self) -> Iterator[tuple[Mapping, str, int, str]]:
        """Yield step or job, name, line and text of each value in env: and with:."""
        for part in (self.source.root, self.root, *self.steps):
            for values in (part.of("env"), part.of("with")):
                yield from ((part, key, values.line(key), values.text(key)) for key in values)

    def finding(self, step: Mapping, key: str, rule: str, message: str, mend: str) -> Finding:
        """Return a finding that points at an input of a step, or at the step."""
        name = step.named(key)
        line = step.of("with").line(name) if name else step.line("with")
        return Finding(self.source.path, line, rule, message, mend)


def findings(root: Path, plan: Path | None = None) -> list[Finding]:
    """Judge a repository; `plan` is the JSON of a Terraform plan.

    Raises:
        CannotJudge: a file that is needed is missing or cannot be read.
    """
    account = account_in(read(root, TFVARS))
    sources = [read_yaml(root, path) for path in workflow_files(root)]
    jobs = list(jobs_in([source for source in sources if "jobs" in source.root]))
    assuming = [job for job in jobs if job.assuming()]
    found = [*known_values(account), *access_keys(root)]
    for source in sources:
        found += [*pinned_actions(source), *injections(source), *token_by_default(source)]
    for job in jobs:
        calling = any(caller is job for other in assuming for caller in other.callers)
        found += [*least_permissions(job, calling), *key_inputs(job)]
    entries: dict[str, list[Job]] = {key: [] for key in account.entries}
    for job in assuming:
        key = account.key_of(job)
        if not key and any(map(account.key_of, assuming)) and not pushed_names(job)[1]:
            continue  # a role that is made elsewhere, for something else
        entries[key or next(iter(entries))].append(job)
        found += [*untrusted_triggers(job), *explicit_choices(job)]
    if not assuming:
        message = f"no job has a step of {CREDENTIALS} with role-to-assume"
        found.append(Finding(WORKFLOWS, 1, UNJUDGED, message, "restore deploy.yml"))
    for key, own in entries.items():
        entry = account.entries[key]
        side = Infra.planned(plan, account, entry, found) if plan else Infra.written(root, found)
        for job in own:
            found += same_values(job, account, entry, side.longest)
        found += same_subjects(account, key, own, assuming)
        if own:
            found += published(own, account, entry, side)
    return sorted(set(found))


# Reading


def read(root: Path, path: str) -> str:
    """Return the text of a file of the repository."""
    try:
        if (root / path).stat().st_size > LARGEST:
            raise ValueError(f"it is larger than {LARGEST:,} bytes")
        return (root / path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise CannotJudge(f"{path}: cannot be read ({reason}); restore the file") from error


def from_json(path: str, text: str) -> Any:
    """Return what a JSON text says; no key may stand in an object twice."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key stands there twice")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        line, reason = getattr(error, "lineno", 1), getattr(error, "msg", error)
        raise CannotJudge(f"{path}:{line}: not JSON ({reason}); correct it") from error


def workflow_files(root: Path) -> list[str]:
    """Return the paths of the workflows and of the repository's composite actions."""
    found = [*(root / WORKFLOWS).glob("*.y*ml"), *(root / ".github/actions").glob("**/action.y*ml")]
    files = [path for path in found if path.suffix in (".yml", ".yaml") and path.is_file()]
    return sorted(path.relative_to(root).as_posix() for path in files)


def read_yaml(root: Path, name: str) -> Source:
    """Return a workflow or a composite action with the lines of its keys."""
    text = read(root, name)
    document = parse_yaml(name, text)
    wanted = "jobs" if name.startswith(WORKFLOWS) else "runs"
    if not isinstance(document, Mapping) or not document.of(wanted):
        raise CannotJudge(f"{name}: no workflow, it has no {wanted}; correct or remove it")
    return Source(name, text.splitlines(), document)


def parse_yaml(name: str, text: str) -> Any:
    """Return YAML as Mapping, list and text (`on` and `true` stay text).

    It takes the parser's events: they need no recursion, and an alias costs nothing.
    """
    import yaml  # needed nowhere else

    documents: list[Any] = []
    nodes: list[Any] = [documents]  # the open ones, each with its anchor and the key that waits
    names: list[Any] = [None]
    keys: list[Any] = [None]
    anchors: dict[Any, Any] = {}
    event: Any
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            kind, line = type(event).__name__[:-5], event.start_mark.line + 1
            if kind in ("SequenceEnd", "MappingEnd"):
                anchors[names.pop()] = nodes.pop()
                keys.pop()
                continue
            if kind not in ("Scalar", "Alias", "SequenceStart", "MappingStart"):
                continue
            value = event.value if kind == "Scalar" else Mapping() if kind == "MappingStart" else []
            if kind == "Alias":
                value = anchors[event.anchor]
            elif kind == "Scalar":
                anchors[event.anchor] = value
            if isinstance(nodes[-1], list):
                nodes[-1].append(value)
            elif keys[-1] is not None:
                nodes[-1][keys[-1]], keys[-1] = value, None
            elif isinstance(value, str) and value not in nodes[-1]:
                nodes[-1].lines[value], keys[-1] = line, value
            else:
                raise ValueError(f"line {line} has a key twice, or one that is no text")
            if kind.endswith("Start"):
                nodes.append(value)
                names.append(event.anchor)
                keys.append(None)
            if len(nodes) > DEEPEST or len(documents) > 1:
                raise ValueError(f"line {line} begins a second document or level {DEEPEST}")
    except (yaml.YAMLError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise CannotJudge(f"{name}: not YAML that can be judged ({reason}); correct it") from error
    return documents[0] if documents else None


class Account(NamedTuple):
    """What infra/terraform.tfvars.json says: one account, one region, an entry a repository."""

    id: str
    region: str
    entries: dict[str, dict[str, Any]]
    text: str

    @property
    def partition(self) -> str:
        """The partition of the region."""
        if self.region.startswith("cn-"):
            return "aws-cn"
        return "aws-us-gov" if self.region.startswith("us-gov-") else "aws"

    @property
    def domain(self) -> str:
        """The domain of the partition's hosts and audience."""
        return "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"

    def arn(self, resource: str) -> str:
        """Return the ARN of a role or of the identity provider."""
        return f"arn:{self.partition}:iam::{self.id}:{resource}"

    def key_of(self, job: Job) -> str | None:
        """Return the key of the entry whose role a job assumes."""
        role = job.input(job.assuming()[0], "role-to-assume").rpartition("/")[2]
        found = (key for key, entry in self.entries.items() if entry["role_name"] == role)
        return next(found, None)

    def line(self, key: str, attribute: str = "") -> int:
        """Return the line of an entry, or of an attribute in it."""
        lines = self.text.splitlines()
        start = next((n for n, line in enumerate(lines) if f"{json.dumps(key)}:" in line), 0)
        behind = (n for n in range(start, len(lines)) if f'"{attribute}"' in lines[n])
        return next(behind, start) + 1


def account_in(text: str) -> Account:
    """Return what infra/terraform.tfvars.json says."""
    values = from_json(TFVARS, text)
    values = values if isinstance(values, dict) else {}
    account, region = values.get("aws_account_id"), values.get("aws_region")
    if not isinstance(account, str) or not isinstance(region, str):
        raise CannotJudge(f"{TFVARS}: needs aws_account_id and aws_region as text; add them")
    entries = values.get("repositories")
    if not isinstance(entries, dict) or not entries:
        raise CannotJudge(f"{TFVARS}: needs an entry in repositories; add it")
    kinds = {"te": str, "a ": list, "tr": bool}
    for key, entry in entries.items():
        for attribute, kind in ENTRY.items():
            value = entry.get(attribute) if isinstance(entry, dict) else None
            missing = value is None and kind in ("text", "a list of text")
            items = value if isinstance(value, list) else [""]
            if (
                missing
                or not all(isinstance(item, str) for item in items)
                or (value is not None and not isinstance(value, kinds[kind[:2]]))
            ):
                raise CannotJudge(f"{TFVARS}: {key} needs {attribute} as {kind}; correct it")
    return Account(account, region, entries, text)


# Subjects: what infra/repository/trust.tf derives from an entry, derived once more


def tests_ref(account: Account, entry: dict[str, Any]) -> bool:
    """Tell whether the claim ref is tested beside the subject, which then names the environment."""
    asked = entry.get("test_ref") is not False and entry.get("environment") is not None
    return asked and account.partition == "aws"


def claims(account: Account, entry: dict[str, Any]) -> dict[str, list[str]]:
    """Return the values that the role accepts for each claim that it tests."""
    environment, prefix = entry.get("environment"), entry.get("subject_prefix")
    contexts = [f"ref:{ref}" for ref in entry["refs"]]
    if environment is not None:
        contexts = ["environment:" + environment.replace(":", "%3A")]
    tested = {
        "aud": [f"sts.{account.domain}"],
        "sub": [f"{prefix}:{context}" for context in contexts] if prefix else [],
    }
    if tests_ref(account, entry):
        tested["ref"] = entry["refs"]
    if entry.get("test_ids"):
        ids = re.findall("@([0-9]+)", prefix or "")
        tested["repository_owner_id"], tested["repository_id"] = ids[:1], ids[1:]
    return tested


def conditions(account: Account, entry: dict[str, Any]) -> dict[str, dict[str, list[str]]]:
    """Return the conditions of the trust policy: StringLike only where there is a *."""
    found: dict[str, dict[str, list[str]]] = {}
    for claim, values in claims(account, entry).items():
        like = any(value.endswith("*") for value in values)
        found.setdefault("StringLike" if like else "StringEquals", {})[f"{ISSUER}:{claim}"] = values
    return found


def entry_errors(account: Account, entry: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield what infra/repository/variables.tf refuses: the attribute, why, and what to write."""
    name, prefix = entry["github_repository"], entry.get("subject_prefix")
    environment = entry.get("environment")
    if not re.fullmatch(r"[A-Za-z0-9_-]+/[A-Za-z0-9._-]+", name):
        yield "github_repository", f"{name!r} is not owner/name", "write it as GitHub shows it"
    form = r"repo:[^@/:]+(/[^@/:]+|@[0-9]+/[^@/:]+@[0-9]+)"
    bare = re.sub("@[0-9]+", "", prefix or "")
    if prefix is not None and (not re.fullmatch(form, prefix) or bare != f"repo:{name}"):
        why = f"{prefix!r} does not name {name} with both numeric ids or with neither"
        yield "subject_prefix", why, f"ask: gh api repos/{name}/actions/oidc/customization/sub"
    for ref in entry["refs"] or [""]:
        bounded = re.fullmatch(r"refs/(heads|tags)/[^*?$\s]+[*]?", ref)
        if not bounded and not (ref == "refs/tags/*" and entry.get("dangerously_trust_any_tag")):
            yield "refs", f"{ref!r} is not refs/heads/NAME or refs/tags/NAME", "write refs/tags/v*"
    if environment is not None and not re.fullmatch(r"[^*?$\x00-\x1f\x7f]{1,255}", environment):
        yield "environment", f"{environment!r} does not name one environment", "write its name"
    if entry.get("test_ids") and (account.partition != "aws" or "@" not in (prefix or "@")):
        yield "test_ids", "the subject has no ids, or AWS does not know them here", "write false"
    part = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
    registry = entry["ecr_repository"]
    if not re.fullmatch(rf"(?=[a-z].{{1,255}}$){part}(/{part})*", registry):
        yield "ecr_repository", f"{registry!r} is no name that ECR takes", "write it in lower case"
    role = entry["role_name"]
    if not re.fullmatch(r"[A-Za-z0-9_+=,.@-]{1,64}", role) or role == "GitHubActions":
        yield "role_name", f"{role!r} is no name that works", "write for example NAME-push"


def known_values(account: Account) -> Iterator[Finding]:
    """Terraform refuses some values, and drops keys that it does not know without a word."""
    rules = {"ecr_repository": "same-registry", "role_name": "same-role"}
    for key, entry in account.entries.items():
        for attribute, why, mend in entry_errors(account, entry):
            message = f"{key}: {attribute} {why}, so Terraform refuses it"
            rule = rules.get(attribute, "subject")
            yield Finding(TFVARS, account.line(key, attribute), rule, message, mend)
        for attribute in sorted(set(entry) - set(ENTRY)):
            message = f"{key}: Terraform ignores {attribute!r}, so it has no effect"
            mend = f"remove it, or write one of: {', '.join(ENTRY)}"
            yield Finding(TFVARS, account.line(key, attribute), "known-keys", message, mend)


# Infrastructure: as far as it can be read without parsing HCL, or as a plan shows it in full


class Infra(NamedTuple):
    """What Terraform makes of an entry."""

    mutability: str
    excluded: list[str]  # filters for the tags that may move
    longest: int  # seconds that a session may last
    granted: list[str]
    lifecycle: Any
    where: tuple[str, int] | None = None  # where a plan stands, which says all of this

    @classmethod
    def written(cls, root: Path, found: list[Finding]) -> Infra:
        """Read the files; a part that was rewritten is a finding, and is not judged."""

        def unknown(path: str, line: int, message: str) -> None:
            mend = "judge a plan, which shows it: make plan"
            found.append(Finding(path, line, UNJUDGED, message, mend))

        texts = {path: read(root, path) for path, _ in WRITTEN}
        for (path, head), expected in WRITTEN.items():
            line, body = block(texts[path], head)
            if digest(body) != expected:
                unknown(
                    path, line, f"{head} was rewritten, so what it trusts or grants is not known"
                )
        for file in sorted((root / "infra").rglob("*.*")):
            path = file.relative_to(root).as_posix()
            if ".terraform/" in path or not file.is_file():
                continue
            if re.search(r"\.auto\.tfvars(\.json)?$|(^|_|/)override\.tf$|\.tf\.json$", path):
                unknown(path, 1, "it overrules the files that are judged here")
            text = texts.get(path) or (read(root, path) if path.endswith(".tf") else "")
            for head in re.findall(r'^(resource "aws_iam_(?:role_)?pol\w*" "\w+")', text, re.M):
                line, body = block(text, head)
                named = re.search(r"\.push\b|module\.repository|role_name", body)
                if named and (path, head) not in WRITTEN:
                    unknown(path, line, f"{head} grants more to a role that is judged here")
        line, body = block(texts[REGISTRY], 'resource "aws_ecr_repository" "image"')
        mutability = re.findall(r'^\s*image_tag_mutability\s*=\s*"(\w+)"', body, re.M)
        if len(mutability) != 1 or not re.search(r"\bname\s*=\s*var\.ecr_repository\s", body):
            unknown(REGISTRY, line, "the registry's name or image_tag_mutability was rewritten")
        filters = re.findall(r'^\s*filter\s*=\s*"([^"]+)"', body, re.M)
        longest = re.search(r"max_session_duration\s*=\s*(\d+)", texts[TRUST])
        granted = from_json(ACTIONS, read(root, ACTIONS))
        if not isinstance(granted, list) or not all(isinstance(name, str) for name in granted):
            raise CannotJudge(f"{ACTIONS}: needs a list of text; restore it")
        granted = ["ecr:GetAuthorizationToken", *granted]
        seconds = int(longest[1]) if longest else 3600
        lifecycle = from_json(LIFECYCLE, read(root, LIFECYCLE))
        return cls((mutability or ["IMMUTABLE"])[0], filters, seconds, granted, lifecycle)

    @classmethod
    def planned(
        cls, plan: Path, account: Account, entry: dict[str, Any], found: list[Finding]
    ) -> Infra:
        """Read the JSON of a plan, and hold the policies of an entry's role against the entry."""
        where, name = (str(plan), 1), entry["role_name"]
        own = f"arn:{account.partition}:ecr:{account.region}:{account.id}:repository/"
        own += entry["ecr_repository"]

        def of(kind: str, attribute: str, value: str) -> list[dict[str, Any]]:
            return [item for item in made.get(kind, []) if item.get(attribute) == value]

        try:
            made: dict[str, list[dict[str, Any]]] = {}
            modules = [from_json(str(plan), read(plan.parent, plan.name))["planned_values"]]
            modules = [modules[0]["root_module"]]
            for module in modules:
                modules += module.get("child_modules", [])
                for resource in module.get("resources", []):
                    made.setdefault(resource["type"], []).append(resource["values"])
            (role,) = of("aws_iam_role", "name", name)
            (registry,) = of("aws_ecr_repository", "name", entry["ecr_repository"])
            (lifecycle,) = of("aws_ecr_lifecycle_policy", "repository", entry["ecr_repository"])
            trust = json.loads(role["assume_role_policy"])["Statement"]
            granted = [
                statement
                for policy in of("aws_iam_role_policy", "role", name)
                for statement in json.loads(policy["policy"])["Statement"]
            ]
            more = [kind for kind in made if re.match("aws_iam_(role_)?pol.*(attach|exclu)", kind)]
            attached = [item for kind in more for item in made[kind] if f"'{name}'" in str(item)]
            rules = from_json(str(plan), lifecycle["policy"])
            duration, mutability = role["max_session_duration"], registry["image_tag_mutability"]
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            message = f"{plan}: no plan that shows {name} and its registry ({error!r}); make plan"
            raise CannotJudge(message) from error
        expected = {
            "Effect": "Allow",
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": account.arn(f"oidc-provider/{ISSUER}")},
            "Condition": conditions(account, entry),
        }
        if plain(trust) != plain([expected]):
            message = f"{name} trusts {json.dumps(trust)}, which is not what {TFVARS} says"
            mend = f"trust this alone: {json.dumps(expected)}"
            found.append(Finding(*where, "subject", message, mend))
        for statement in granted:
            login = plain(statement.get("Action")) == ["ecr:GetAuthorizationToken"]
            allowed = {"Effect": ["Allow"], "Resource": ["*"] if login else [own]}
            kept = {key: statement[key] for key in statement if key not in ("Sid", "Action")}
            if plain(kept) != allowed or "Action" not in statement:
                message = f"{name} is granted {json.dumps(statement)}, which is more than pushing"
                found.append(Finding(*where, "least-actions", message, f"grant it on {own} alone"))
        if attached or role.get("managed_policy_arns") or role.get("inline_policy"):
            message = f"{name} gets further policies, so it may do more than push"
            found.append(Finding(*where, "least-actions", message, "remove them from infra/"))
        filters = [
            item["filter"] for item in registry.get("image_tag_mutability_exclusion_filter") or []
        ]
        actions = [action for item in granted for action in plain(item.get("Action", []))]
        return cls(mutability, filters, duration, actions, rules, where)


def plain(value: Any) -> Any:
    """Return a part of a policy in one spelling: a lone value is a list, and lists are sorted."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in sorted(value.items())}
    values = value if isinstance(value, list) else [value]
    return sorted((plain(item) if isinstance(item, dict) else item for item in values), key=str)


def block(text: str, head: str) -> tuple[int, str]:
    """Return line and text, without comments, of a block of formatted Terraform."""
    match = re.search(rf"^{re.escape(head)} \{{\n.*?^\}}", text, re.DOTALL | re.MULTILINE)
    if not match:
        return 1, ""
    strings_or_comments = r'("(?:\\.|[^"\\\n])*")|(?:#|//)[^\n]*|/\*.*?\*/'
    body = re.sub(strings_or_comments, lambda part: part[1] or "", match[0], flags=re.DOTALL)
    return text.count("\n", 0, match.start()) + 1, body


def digest(body: str) -> str:
    """Return a digest of a block, without what can neither trust nor grant."""
    from hashlib import sha256

    neutral = (
        r"\b((description|tags|permissions_boundary) *= *(\{.*?\}|.*)|max_session_duration *= *\d+)"
    )
    return sha256("".join(re.sub(neutral, "", body).split()).encode()).hexdigest()[:16]


# Expressions: what is known of them before a run

TOKEN = re.compile(
    r"\s*(?:('(?:[^']|'')*')|([A-Za-z_][\w-]*|-?\d[\w.]*)|(&&|\|\||[=!<>]=|[()\[\].,!<>*]))"
)
LEVELS = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="))
UNKNOWN = None
# Whatever their values, they do not narrow the refs.
NEUTRAL = (
    r"success|always|failure|cancelled|github\.(actor|triggering_actor|repository|event\.repos)"
)


def read_expression(text: str) -> Any:
    """Return an expression as nested tuples; what cannot be read is one unknown name."""
    whole = re.fullmatch(r"\$\{\{(.*)\}\}", text.strip(), re.DOTALL)
    tokens: list[str] = []
    rest = whole[1] if whole else text
    while rest.strip():
        match = TOKEN.match(rest)
        if not match or len(tokens) > 500:
            return ("name", text)
        tokens.append(match[0].strip())
        rest = rest[match.end() :]
    tokens.reverse()

    def binary(level: int = 0) -> Any:
        if level == len(LEVELS):
            return unary()
        left = binary(level + 1)
        while tokens and tokens[-1] in LEVELS[level]:
            left = (tokens.pop(), left, binary(level + 1))
        return left

    def unary() -> Any:
        token = tokens.pop()
        if token == "!":
            return ("!", unary())
        if token == "(":
            inner = binary()
            tokens.pop()
            return inner
        if token[0] == "'":
            return ("value", token[1:-1].replace("''", "'"))
        if token.lower() in ("true", "false"):
            return ("value", token.lower() == "true")
        name = token.lower()
        while tokens and tokens[-1] in (".", "["):
            bracket = tokens.pop() == "["
            name += "." + tokens.pop().strip("'").lower()
            if bracket:
                tokens.pop()
        if not tokens or tokens[-1] != "(":
            return ("name", name)
        arguments = []
        while tokens.pop() != ")":  # what is taken is the bracket, or the comma
            if tokens[-1] != ")":
                arguments.append(binary())
        return ("call", name, *arguments)

    try:
        tree = binary()
    except (IndexError, RecursionError):
        return ("name", text)
    return ("name", text) if tokens else tree


def outcomes(tree: Any, run: Run, known: dict[str, str]) -> list[tuple[Any, Run]]:
    """Return each value that an expression may have, with the run that has it, its ref narrowed.

    A value is text, true, false, UNKNOWN, or a tuple: what the text of a ref leaves out of it.
    GitHub compares without regard to case; a ref is compared here as it is written.
    """
    kind, *parts = tree
    found: list[tuple[Any, Run]] = []
    if kind == "value":
        found = [(parts[0], run)]
    elif kind == "!":
        pairs = outcomes(parts[0], run, known)
        found = [(UNKNOWN if value is UNKNOWN else not value, then) for value, then in pairs]
    elif kind in ("&&", "||"):
        for value, then in outcomes(parts[0], run, known):
            if value is UNKNOWN:
                found.append((False if kind == "&&" else UNKNOWN, then))
            if value is UNKNOWN or bool(value) == (kind == "&&"):
                found += outcomes(parts[1], then, known)
            else:
                found.append((value, then))
    elif kind in ("==", "!=") or (parts[0] == "startswith" and len(parts) == 3):
        for left, middle in outcomes(parts[-2], run, known):
            for right, then in outcomes(parts[-1], middle, known):
                for value, last in compared(kind, left, right, then):
                    same = value if kind != "!=" or value is UNKNOWN else not value
                    found.append((same, last))
    elif kind == "name":
        found = [named(parts[0], run, known)]
    else:
        found = [(UNKNOWN, run._replace(sure=run.sure and bool(re.match(NEUTRAL, str(parts[0])))))]
    return list(dict.fromkeys(found))


def compared(kind: str, left: Any, right: Any, run: Run) -> Iterator[tuple[Any, Run]]:
    """Yield whether two values are equal, or whether one starts with the other."""
    if kind != "call" and isinstance(right, tuple):
        left, right = right, left
    if isinstance(left, tuple) and isinstance(right, str):
        wanted = left[0] + right + ("*" if kind == "call" else "")
        both = common(run.ref, wanted)
        if both:
            yield True, run._replace(ref=both)
        if not within(run.ref, wanted):
            yield False, run
    elif isinstance(left, str) and isinstance(right, str):
        one, other = left.lower(), right.lower()
        yield (one.startswith(other) if kind == "call" else one == other), run
    else:
        yield UNKNOWN, run._replace(sure=run.sure and UNKNOWN in (left, right))


def named(name: str, run: Run, known: dict[str, str]) -> tuple[Any, Run]:
    """Return the value of a context such as github.ref, and the run that it is known for."""
    start = "/".join(run.ref.split("/")[:2]) + "/"
    if name in ("github.ref", "github.ref_name"):
        cut = "" if name == "github.ref" else start
        return ((cut,) if run.ref.endswith("*") else run.ref[len(cut) :]), run
    values = {"github.event_name": run.event, **known}
    values["github.ref_type"] = "tag" if start == "refs/tags/" else "branch"
    if "pull" not in run.event:
        values["github.head_ref"] = values["github.base_ref"] = ""
    value = values.get(name, "${{")
    if "${{" not in value:
        return value, run
    return UNKNOWN, run._replace(sure=run.sure and bool(re.match(NEUTRAL, name)))


def texts(text: str, run: Run, known: dict[str, str]) -> list[tuple[Any, Run]]:
    """Return each value of a text that may be one expression; UNKNOWN where it is not known."""
    if "${{" in text and text.startswith("${{") and text.count("${{") == 1 and text.endswith("}}"):
        return outcomes(read_expression(text), run, known)
    return [(UNKNOWN if "${{" in text else text, run)]


def within(ref: str, pattern: str) -> bool:
    """Tell whether a ref, or all refs of a pattern with a trailing *, match a pattern."""
    if pattern.endswith("*"):
        return ref.rstrip("*").startswith(pattern[:-1])
    return ref == pattern


def common(one: str, other: str) -> str | None:
    """Return the refs that match two patterns, as a pattern."""
    return one if within(one, other) else other if within(other, one) else None


# Triggers and jobs


def starts(workflow: Source) -> Iterator[Run]:
    """Yield events with their refs (GitHub docs, "Events that trigger workflows")."""
    events = workflow.root.get("on") or []
    for event in [events] if isinstance(events, str) else events:
        config = workflow.root.of("on", str(event))
        if event == "push":
            refs = list(pushed_refs(config))
        elif event == "release":
            refs = ["refs/tags/*"]  # whatever its tag: filters are not evaluated
        elif event == "pull_request_target":
            refs = ["refs/heads/*"]
        elif event.startswith("pull_request"):
            refs = ["refs/pull/*"]
        elif UNTRUSTED.match(event) or event in ("schedule", "repository_dispatch"):
            refs = ["refs/heads/main"]  # the default branch
        else:
            refs = [] if event == "workflow_call" else ["refs/heads/*", "refs/tags/*"]
        yield from (Run(str(event), ref) for ref in refs)


def pushed_refs(config: Mapping) -> Iterator[str]:
    """Yield the refs of a push as IAM can express them: what a filter begins with, then *."""
    filters = [key for key in config if key.startswith(("branches", "tags"))]
    for kind, key in (("heads", "branches"), ("tags", "tags")):
        patterns = config.get(key) or []
        for pattern in map(str, [patterns] if isinstance(patterns, str) else patterns):
            special = re.search(r"[*?+\[\]!\\]", pattern)
            if not special:
                yield f"refs/{kind}/{pattern}"
            elif special[0] != "!" or special.start():
                counted = special[0] in "?+"  # it says how often the character before it stands
                yield f"refs/{kind}/{pattern[: special.start() - counted]}*"
        if f"{key}-ignore" in filters or not filters:
            yield f"refs/{kind}/*"


def jobs_in(workflows: list[Source]) -> Iterator[Job]:
    """Yield the jobs of all workflows; those of a called workflow once for each caller."""
    by_path = {workflow.path: workflow for workflow in workflows}
    called = {job.text("uses")[2:] for workflow in workflows for job, _ in workflow.parts()}
    for workflow in workflows:
        runs = list(starts(workflow))
        if runs or workflow.path not in called:
            yield from jobs_of(workflow, runs, {}, (), by_path)


def jobs_of(
    workflow: Source,
    runs: list[Run],
    inputs: dict[str, str],
    callers: tuple[Job, ...],
    workflows: dict[str, Source],
) -> Iterator[Job]:
    """Yield the jobs of one workflow, and of those it calls."""
    for name, root in workflow.root.of("jobs").items():
        where = f"{workflow.path}:{workflow.root.of('jobs').line(name)}"
        steps = root.get("steps") or [] if isinstance(root, Mapping) else None
        if not isinstance(steps, list) or not all(isinstance(step, Mapping) for step in steps):
            raise CannotJudge(f"{where}: {name} is no job with steps; correct it")
        condition = read_expression(root.text("if") or "true")
        for matrix in matrices(where, root):
            known = {**inputs, **matrix}
            able = [
                then
                for run in runs
                for value, then in outcomes(condition, run, known)
                if value is UNKNOWN or value
            ]
            job = Job(workflow, name, root, known, able, callers)
            yield job
            used = root.text("uses")
            if used.startswith("./"):
                target = workflows.get(used[2:])
                if not target or len(callers) > 9:  # GitHub docs: ten levels
                    raise CannotJudge(f"{where}: {used} is not there; correct it")
                yield from jobs_of(target, able, passed(job, target), (*callers, job), workflows)


def passed(job: Job, target: Source) -> dict[str, str]:
    """Return the inputs that a job passes to the workflow it calls, else their defaults."""
    declared, values = target.root.of("on", "workflow_call", "inputs"), job.root.of("with")
    found = {}
    for name in declared:
        value = values.text(name) if name in values else declared.of(name).text("default")
        found[f"inputs.{name}".lower()] = job.resolve(Mapping(), value)
    return found


def matrices(where: str, job: Mapping) -> list[dict[str, str]]:
    """Return the known values of each combination of a job's matrix."""

    def flat(values: dict[str, Any]) -> dict[str, str]:
        pairs = {f"matrix.{key}".lower(): value for key, value in values.items()}
        for key, value in list(pairs.items()):
            if isinstance(value, Mapping):
                pairs.update({f"{key}.{name}".lower(): value.text(name) for name in value})
        return {key: value for key, value in pairs.items() if isinstance(value, str)}

    matrix = job.of("strategy", "matrix")
    lists = {key: matrix[key] for key in matrix if isinstance(matrix[key], list)}
    added, removed = lists.pop("include", []), lists.pop("exclude", [])
    size = len(added)
    for values in lists.values():
        size = max(size, 1) * len(values)
    if size > 256:  # GitHub docs: as many jobs as a matrix may have
        raise CannotJudge(f"{where}: its matrix makes more than 256 jobs; make it smaller")
    found = [flat(dict(zip(lists, items))) for items in (product(*lists.values()) if lists else [])]
    gone = [flat(item).items() for item in removed if isinstance(item, Mapping)]
    found = [one for one in found if not any(item <= one.items() for item in gone)]
    axes = {f"matrix.{key}".lower() for key in lists}
    for item in (flat(item) for item in added if isinstance(item, Mapping)):
        fitting = [
            one for one in found if all(one.get(key) == item[key] for key in axes & set(item))
        ]
        for one in fitting:
            one.update(item)
        if not fitting:
            found.append(item)
    return found or [{}]


# The subject: what jobs present, and what the role accepts


def untrusted_triggers(job: Job) -> Iterator[Finding]:
    """Nobody without write access starts a job that assumes the role."""
    first = job.callers[0] if job.callers else job
    for event in sorted({run.event for run in job.runs if UNTRUSTED.match(run.event)}):
        message = (
            f"{event} starts job {job.name}, which assumes the role, so strangers could use it"
        )
        mend = f"remove {event}, or keep it from the job: if: github.event_name != '{event}'"
        line = first.source.root.line("on")
        yield Finding(first.source.path, line, "untrusted-trigger", message, mend)


def same_subjects(
    account: Account, key: str, jobs: list[Job], assuming: list[Job]
) -> Iterator[Finding]:
    """Each subject that a job can present is trusted, and no other one is."""
    entry = account.entries[key]
    environment, refs = entry.get("environment"), entry["refs"]
    refs_count = environment is None or tests_ref(account, entry)
    trusted = refs if environment is None else [f"environment:{environment}"]
    presented: list[str] = []
    guessed = False
    for job in jobs:
        strange: set[str] = set()
        unsure: set[str] = set()
        doubtful: set[str] = set()
        name = job.root.of("environment").text("name") or job.root.text("environment")
        own = []
        for run in (run for run in job.runs if not UNTRUSTED.match(run.event)):
            for value, then in texts(job.resolve(Mapping(), name), run, job.known):
                if not isinstance(value, str):
                    unsure.add(f"environment:{name}")
                elif (value or None) != environment:
                    strange.add(f"environment:{value}" if value else then.ref)
                else:
                    own.append(then.ref)
                    if refs_count and not any(within(then.ref, ref) for ref in refs):
                        (strange if then.sure else doubtful).add(then.ref)
        presented += own
        # Where an expression is not known the job may run for fewer refs, but not for other ones.
        met = any(common(shown, ref) for shown in own for ref in refs)
        (unsure if met else strange).update(doubtful)
        guessed = guessed or bool(unsure) or "${{" in job.input(job.assuming()[0], "role-to-assume")
        if strange:
            message = (
                f"job {job.name} can present {', '.join(sorted(strange))} and the role trusts "
                f"{', '.join(trusted)} ({TFVARS}), so that run would be refused"
            )
            mend = "bound the job with if: and environment:, or change the entry and apply it"
            yield Finding(*job.where, "subject", message, mend)
        elif unsure:
            message = f"job {job.name} presents {', '.join(sorted(unsure))} as far as can be known"
            mend = "bound it with an if: on github.ref, and write environment: as text"
            yield Finding(*job.where, UNJUDGED, message, mend)
    names = {account.entries[k]["github_repository"] for k in map(account.key_of, assuming) if k}
    if guessed or (not jobs and entry["github_repository"] not in names):
        return  # the workflows of that entry stand in another repository
    for ref in refs if refs_count else []:
        if not any(within(ref, shown) for shown in presented):
            message = f"{key}: the role trusts {ref} and no job presents it, so another one could"
            mend = f"remove {ref} from refs and apply it, or let a job run for it"
            yield Finding(TFVARS, account.line(key, "refs"), "subject", message, mend)
    if jobs and len(names) > 1:
        message = (
            f"jobs here assume the roles of {', '.join(sorted(names))}; a repository has one name"
        )
        mend = "let each repository assume the role of its own entry"
        yield Finding(*jobs[0].where, "subject", message, mend)


# The other values that stand on both sides


def same_values(
    job: Job, account: Account, entry: dict[str, Any], longest: int
) -> Iterator[Finding]:
    """Role, account, region, audience and duration are those of infra/."""
    wanted = (
        ("role-to-assume", "same-role", account.arn(f"role/{entry['role_name']}"), True),
        ("allowed-account-ids", "same-role", account.id, False),
        ("aws-region", "same-region", account.region, True),
        ("audience", "same-audience", f"sts.{account.domain}", account.partition == "aws-cn"),
    )
    for step in job.assuming():
        for key, rule, expected, needed in wanted:
            value = job.input(step, key)
            accepted = re.split(r"[,\s]+", value) if key == "allowed-account-ids" else [value]
            if expected not in accepted and (value or needed):
                yield from differs(job, step, key, rule, value, expected)
        lasts = job.input(step, "role-duration-seconds") or "3600"
        if not lasts.isdigit() or int(lasts) > longest:
            message = f"role-duration-seconds is {lasts} and the role allows {longest} ({TRUST})"
            mend = f"write role-duration-seconds: {longest}"
            rule = "session-duration" if lasts.isdigit() else UNJUDGED
            yield job.finding(step, "role-duration-seconds", rule, message, mend)
    for step in job.using(LOGIN):
        region = job.resolve(step, "${{ env.AWS_REGION }}")
        if region not in ("${{ env.AWS_REGION }}", account.region):
            yield from differs(job, step, "env: AWS_REGION", "same-region", region, account.region)
        registry = job.input(step, "registries") or account.id
        if registry != account.id or job.input(step, "registry-type") == "public":
            yield from differs(job, step, "registries", "same-registry", registry, account.id)


def differs(
    job: Job, step: Mapping, key: str, rule: str, value: str, expected: str
) -> Iterator[Finding]:
    """Yield the finding for a value that is not what infra/ says, or cannot be known."""
    mend = f"write {key}: {expected}, or change {TFVARS} and apply it"
    shown = f"is {value}" if value else "is missing"
    message = f"{key} {shown} and {TFVARS} says {expected}, so nothing could be published"
    if "${{" in value:
        rule, message = UNJUDGED, f"{key} is {value}, whose value only the run knows"
    if "secrets." not in value:  # that is a finding of its own
        yield job.finding(step, key, rule, message, mend)


def published(
    jobs: list[Job], account: Account, entry: dict[str, Any], side: Infra
) -> Iterator[Finding]:
    """What is pushed where, under which tags, what that needs, and what expires later."""
    if side.mutability not in ("IMMUTABLE", "IMMUTABLE_WITH_EXCLUSION"):
        message = f"image_tag_mutability is {side.mutability}, so a version can be moved"
        mend = 'write image_tag_mutability = "IMMUTABLE"'
        yield Finding(*side.where or (REGISTRY, 1), "unique-tags", message, mend)
    needed: set[str] = set()
    names: list[str] = []
    first: dict[Any, Any] = {}
    unseen = False
    heads = [ref for ref in entry["refs"] if ref.startswith("refs/heads/")]
    branch = any(common(run.ref, ref) for job in jobs for run in job.runs for ref in heads)
    for job in jobs:
        found, pushed, hidden = pushed_names(job)
        yield from found
        unseen = unseen or hidden
        needed |= {*PUSH, "ecr:GetAuthorizationToken"} if pushed else set()
        needed |= {"ecr:GetAuthorizationToken"} if job.using(LOGIN) else set()
        shell = "\n".join(step.text("run") for step in job.steps)
        for command in re.findall(r"(?m)^[^#\n]*\baws\s+ecr\s+([a-z-]+)", shell):
            action = "".join(part.title() for part in command.split("-"))
            needed.add(f"ecr:{action}".replace("GetLoginPassword", "GetAuthorizationToken"))
        region = job.input(job.assuming()[0], "aws-region")
        for step, name in pushed:
            names.append(name)
            yield from same_registry(job, step, name, account, entry)
            yield from unique_tag(job, step, name, entry, side, branch)
            again = first.setdefault((job.where, region, name), (job.known, step.line("with")))
            if again != (job.known, step.line("with")) or names.count(name) > len(jobs):
                message = f"{name} is pushed more than once in a run, and the second is refused"
                mend = "push it once, or write what differs into the tag"
                yield job.finding(step, "tags", "unique-tags", message, mend)
    if not names and not unseen:
        message = f"job {jobs[0].name} assumes the role and no step of {BUILD} pushes tags"
        yield Finding(*jobs[0].where, UNJUDGED, message, "push with push: true and tags")
    elif not unseen:
        yield from least_actions(needed, side)
        yield from expiring(sorted({split_image(name)[2] for name in names}), entry, side, branch)


def pushed_names(job: Job) -> tuple[list[Finding], list[tuple[Mapping, str]], bool]:
    """Return findings, step and name of each image that is pushed, and whether more may be."""
    pushing = r"\b(docker|podman|buildx|skopeo|crane|oras|buildah)\b[^\n]*\b(push|--push|copy)\b"
    hidden = [
        step
        for step in job.steps
        if "docker/bake-action@" in step.action() or re.search(pushing, step.text("run"))
    ]
    found, pushed = [], []
    runs = [run for run in job.runs if not UNTRUSTED.match(run.event)] or [Run("push", "refs/*")]
    for step in job.using(BUILD):
        asked = job.input(step, "push").lower()
        values = {value for run in runs for value, _ in texts(asked, run, job.known)}
        if re.search(r"push=true|type=registry", step.input("outputs")):
            hidden.append(step)
        elif values <= {"true", True}:
            name = r"(?:\$\{\{.*?\}\}|[^,\n])+"
            caches = re.findall(rf"type=registry,.*?ref=({name})", step.input("cache-to"))
            tags = [*re.findall(name, job.input(step, "tags")), *caches]
            tags = [tag.strip() for tag in tags if tag.strip()]
            pushed += [(step, job.resolve(step, tag)) for tag in tags]
            if not tags:
                message = "the step pushes and has no tags, so nobody could pull what it pushed"
                mend = "write tags, with the version and the commit"
                found.append(job.finding(step, "tags", "unique-tags", message, mend))
        elif not values <= {"false", "", False}:
            hidden.append(step)
    for step in hidden:
        message = f"what job {job.name} pushes here, and under which tags, cannot be read"
        mend = f"push with {BUILD}, push: true and tags"
        found.append(job.finding(step, "push", UNJUDGED, message, mend))
    return found, pushed, bool(hidden or found)


def split_image(name: str) -> tuple[str, str, str]:
    """Return host, repository and tag of an image's name; an expression counts as one word."""
    match = re.fullmatch(r"(\$\{\{.*?\}\}|[^/]+)/(.+?):((?:\$\{\{.*?\}\}|[^:/])+)", name)
    return (match[1], match[2], match[3]) if match else ("", name, "")


def same_registry(
    job: Job, step: Mapping, name: str, account: Account, entry: dict[str, Any]
) -> Iterator[Finding]:
    """The role may push to one repository of one registry, into which an earlier step logs in."""
    host, repository, tag = split_image(name)
    own = f"{account.id}.dkr.ecr.{account.region}.{account.domain}"
    login = re.fullmatch(r"\$\{\{\s*steps\.([\w-]+)\.outputs\.registry\s*\}\}", host)
    before = job.steps[: job.steps.index(step)]
    named = [item for item in before if login and item.text("id") == login[1]]
    known = named[0] in job.using(LOGIN) if named else login or "${{" not in host
    if not known or "${{" in repository or not tag:
        message = f"tags has {name}, whose registry and repository only the run knows"
        mend = f"write ${{{{ steps.registry.outputs.registry }}}}/{entry['ecr_repository']}:TAG"
        yield from [job.finding(step, "tags", UNJUDGED, message, mend)] * ("secrets." not in name)
    elif repository != entry["ecr_repository"] or not (named or host == own):
        message = (
            f"the image goes to {host}/{repository} and the role may push to {own}/"
            f"{entry['ecr_repository']} ({TFVARS}), after a login in this job"
        )
        mend = f"write the repository {entry['ecr_repository']}, and log in before"
        yield job.finding(step, "tags", "same-registry", message, mend)


def unique_tag(
    job: Job, step: Mapping, name: str, entry: dict[str, Any], side: Infra, branch: bool
) -> Iterator[Finding]:
    """A tag is pushed once, or it is excluded from immutability; never both."""
    tag = split_image(name)[2]
    excluded = side.excluded if side.mutability == "IMMUTABLE_WITH_EXCLUSION" else []
    inside = [text.strip() for text in re.findall(r"\$\{\{(.*?)\}\}", tag)]
    # GitHub docs, "Contexts": one value for a commit, or a new one for every run.
    unique = r"github\.(sha|run_id|run_number|event\.release\.tag_name" + (
        "" if branch else "|ref_name"
    )
    if any(re.fullmatch(unique + ")", text) for text in inside):
        for pattern in (each for each in excluded if like(sample(tag, entry, 7), each)):
            message = f"the filter {pattern} excludes {tag} from immutability, so it can be moved"
            mend = "write a filter for the moving tag alone, for example latest"
            yield Finding(*side.where or (REGISTRY, 1), "unique-tags", message, mend)
    elif any(text != "github.ref_name" for text in inside):
        message = f"tags has {name}, whose value only the run knows"
        mend = "write ${{ github.ref_name }}, ${{ github.sha }} or main-${{ github.run_number }}"
        yield from [job.finding(step, "tags", UNJUDGED, message, mend)] * ("secrets." not in name)
    elif tag and not any(like(tag, pattern) for pattern in excluded):
        message = f"the tag {tag} is the same for every commit, so the second push would be refused"
        mend = "write a tag that names the commit, for example ${{ github.sha }}"
        yield job.finding(step, "tags", "unique-tags", message, mend)


def like(text: str, pattern: str) -> bool:
    """Tell whether a text matches a pattern of ECR, in which * stands for any characters."""
    return bool(re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL))


def sample(tag: str, entry: dict[str, Any], number: int) -> str:
    """Return a tag as the run of some number would push it."""
    ref = (entry["refs"] or ["refs/tags/v*"])[0].split("/", 2)[-1]
    tag = re.sub(r"\$\{\{\s*github\.sha\s*\}\}", f"{number:040x}", tag)
    name = r"\$\{\{\s*github\.(ref_name|event\.release\.tag_name)\s*\}\}"
    tag = re.sub(name, ref.replace("*", f"1.{number}.0"), tag)
    return re.sub(r"\$\{\{.*?\}\}", str(number), tag)


def least_actions(needed: set[str], side: Infra) -> Iterator[Finding]:
    """The role may do what the steps do, and nothing else."""
    where, granted = side.where or (ACTIONS, 1), set(side.granted)
    if needed - granted:
        message = f"the steps need {', '.join(sorted(needed - granted))}, so a push would be denied"
        yield Finding(*where, "least-actions", message, f"add it to {ACTIONS} and apply it")
    if granted - needed:
        message = f"the role is granted {', '.join(sorted(granted - needed))}, which no step needs"
        yield Finding(*where, "least-actions", message, f"remove it from {ACTIONS} and apply it")


def expiring(
    tags: list[str], entry: dict[str, Any], side: Infra, branch: bool
) -> Iterator[Finding]:
    """Simulate the lifecycle over the images of many runs and one failed push, all of them old.

    Releases stay for ever; of a branch at least the newest image stays; no rule is without effect.
    """
    where, mend = side.where or (LIFECYCLE, 1), f"correct {LIFECYCLE} and apply it"
    try:
        rules = [(int(rule["rulePriority"]), rule["selection"]) for rule in side.lifecycle["rules"]]
        longest = max((int(selection["countNumber"]) for _, selection in rules), default=0)
        numbers = range(min(50, longest) + 3, 0, -1)  # the newest first
        moving = {tag for tag in tags if "${{" not in tag}
        images = [
            {sample(tag, entry, n) for tag in tags if tag not in moving or n == numbers[0]}
            for n in numbers
        ]
        images.append(set())  # a failed push leaves an image without a tag
        taken: set[int] = set()
        for priority, selection in sorted(rules, key=lambda rule: rule[0]):
            matched = [
                n for n in range(len(images)) if n not in taken and selects(selection, images[n])
            ]
            taken |= set(matched)  # an image is judged by the first rule that selects it
            by_count = selection["countType"] == "imageCountMoreThan"
            gone = matched[min(50, int(selection["countNumber"])) :] if by_count else matched
            lost = [n for n in gone if images[n] and (n == 0 or not branch)]
            if lost:
                shown = ", ".join(sorted(images[lost[0]]))
                message = f"rule {priority} removes {shown}, " + "the newest" * branch
                message += "a release" * (not branch)
                yield Finding(*where, "lifecycle", message, mend)
            if not matched:
                message = f"rule {priority} matches no image that a run or a failed push can leave"
                yield Finding(*where, "lifecycle", message, mend)
        order = [priority for priority, _ in rules]
        last = [priority for priority, selection in rules if selection["tagStatus"] == "any"]
        if order != sorted(set(order)) or last not in ([], order[-1:]):
            message = "the priorities do not rise, or a rule for any tag is not the last one"
            yield Finding(*where, "lifecycle", message, mend)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        yield Finding(*where, UNJUDGED, f"a rule has no shape that ECR reads ({error!r})", mend)


def selects(selection: dict[str, Any], tags: set[str]) -> bool:
    """Tell whether a rule selects an image (AWS docs, ECR, "Lifecycle policy properties")."""
    if selection["tagStatus"] != "tagged":
        return selection["tagStatus"] == "any" or not tags
    patterns = selection.get("tagPatternList") or [f"{p}*" for p in selection["tagPrefixList"]]
    return all(any(like(tag, pattern) for tag in tags) for pattern in patterns)


# The workflows by themselves


def token_by_default(source: Source) -> Iterator[Finding]:
    """What the workflow grants at its top, every job without permissions of its own gets.

    Unless told so, no job can ask for a token: only where a role is assumed the top must be tidy.
    """
    granted = source.root.get("permissions")
    scopes = granted if isinstance(granted, Mapping) else {}
    tidy = granted != "write-all" and scopes.get("id-token") != "write"
    if any(part.input("role-to-assume") for _, part in source.parts()) and "on" in source.root:
        tidy = granted in ("", "read-all") or (scopes is granted and "write" not in scopes.values())
        tidy = tidy or (granted is None and list(source.root["on"]) == ["workflow_call"])
    if not tidy:
        message = "every job is granted writing here, or what a setting of the repository says"
        mend = "write permissions: {} at the top, and what a job needs in the job"
        line = source.root.line("permissions")
        yield Finding(source.path, line, "least-permissions", message, mend)


def least_permissions(job: Job, calling: bool) -> Iterator[Finding]:
    """Nobody can ask for a token but the job that assumes a role, and the jobs that call it."""
    scopes = (job.root, job.source.root, *(caller.root for caller in reversed(job.callers)))
    granted = next((scope["permissions"] for scope in scopes if "permissions" in scope), "")
    own = granted if isinstance(granted, Mapping) else {}
    own = {key: own[key] for key in own if own[key] != "none"}
    line = job.root.line("permissions") if "permissions" in job.root else job.where[1]
    if job.assuming() or calling:
        needed = {"contents": "read", "id-token": "write"}
        missing = [f"{key}: {needed[key]}" for key in needed if own.get(key) != needed[key]]
        if not calling and not job.using("actions/checkout") and "contents" not in own:
            missing = [each for each in missing if each != "contents: read"]
        extra = [f"{key}: {own[key]}" for key in own if key not in needed]
        message = f"job {job.name} assumes the role"
        message += f" and lacks {', '.join(missing)}, so it would fail" * bool(missing)
        message += f" and has {', '.join(extra)}, which it does not need" * bool(extra)
        mend = "write permissions: {contents: read, id-token: write} in the job, and nothing else"
        if missing or extra:
            yield Finding(job.source.path, line, "least-permissions", message, mend)
    elif own.get("id-token") == "write" or granted == "write-all":
        hidden = any(step.action().startswith("./") for step in job.steps)
        message = f"job {job.name} can ask for an OIDC token and assumes no role that is seen here"
        rule = UNJUDGED if hidden else "least-permissions"
        yield Finding(job.source.path, line, rule, message, "remove id-token: write from it")


def pinned_actions(source: Source) -> Iterator[Finding]:
    """A tag can be moved to other code; a full commit SHA cannot (GitHub docs, secure use)."""
    for _, part in source.parts():
        used, line = part.text("uses"), part.line("uses")
        if not used or used.startswith("./"):
            continue
        written = " ".join(source.text[line - 1 : line + 1]).partition(used)[2]
        # A version may be written as v4, 4.1.0, tag=v4 or ratchet:owner/action@v4.
        commented = re.match(r"""["']?\s*#.*?\bv?\d""", written)
        image = used.startswith("docker://")
        pinned = re.search("@sha256:[0-9a-f]{64}$" if image else "@[0-9a-fA-F]{40}$", used)
        if not pinned or not (commented or image):
            message = f"{used} is not a full commit SHA with its version in a comment"
            mend = "write owner/action@SHA # vVERSION; this shows it: "
            mend += "git ls-remote https://github.com/OWNER/ACTION VERSION"
            yield Finding(source.path, line, "pinned-actions", message, mend)


def injections(source: Source) -> Iterator[Finding]:
    """An expression is pasted into a script before a shell reads it (GitHub docs, secure use)."""
    safe = r"github\.event\.[\w.-]*\b(id|number|sha|action|draft|prerelease|merged|size)"
    declared = {**source.root.of("on", "workflow_call", "inputs")}
    declared.update(source.root.of("on", "workflow_dispatch", "inputs"))
    typed = {
        f"inputs.{name}".lower()
        for name in declared
        if isinstance(declared[name], Mapping)
        and declared[name].text("type") in ("boolean", "number", "choice")
    }
    for job, step in source.parts():
        script = step.text("run")
        if step.action().startswith("actions/github-script@"):
            script = step.input("script")
        script = Job(source, "", job, {}, []).resolve(step, script)
        inside = " ".join(re.findall(r"\$\{\{(.*?)\}\}", script, re.DOTALL)).lower()
        for name in sorted(set(re.findall(r"[a-z_][\w-]*(?:\.[\w*-]+)+", inside)) - typed):
            event = name.startswith("github.event.") and not re.fullmatch(safe, name)
            if event or re.fullmatch(r"github\.(head_|base_)?ref(_name)?|inputs\..*", name):
                message = f"{name} is pasted into the script, so whoever chooses it runs commands"
                line = step.line("run" if "run" in step else "with")
                mend = 'write it into env: and read it as "$NAME"'
                yield Finding(source.path, line, "no-injection", message, mend)


def explicit_choices(job: Job) -> Iterator[Finding]:
    """Provenance is chosen, what is no secret is not kept as one, and no output loses its value."""
    path = job.source.path
    for step in job.using(BUILD):
        if not step.named("provenance") and job.input(step, "push") != "false":
            message = "provenance is not chosen, so the default may turn the image into an index"
            mend = "write provenance: false, or the mode that you want"
            yield job.finding(step, "push", "explicit-provenance", message, mend)
    for part, key, line, text in job.values():
        public = r"secrets\.\w*(ROLE|REGION|ACCOUNT|REGISTRY|REPO|ECR|ARN|AUDIENCE)\w*"
        if part.action().startswith((CREDENTIALS, LOGIN)):
            public = r"secrets\.\w+"
        used = re.search(public, text, re.IGNORECASE)
        if used and "TOKEN" not in used[0] and "KEY" not in used[0]:
            message = f"{key} is read from {used[0]}, so GitHub blanks it in logs and outputs"
            yield Finding(path, line, "no-secrets", message, "write the value itself, or use vars.")
    outputs = job.root.of("outputs")
    for key in outputs:
        text = job.resolve(Mapping(), outputs.text(key))
        if re.search(r"outputs\.registry\b|\.dkr\.ecr\.|env\.\w*REGISTRY", text):
            message = f"the output {key} holds the registry's host, which GitHub may blank"
            mend = "pass the digest, and compose the name where it is used"
            yield Finding(path, outputs.line(key), "no-registry-output", message, mend)


def key_inputs(job: Job) -> Iterator[Finding]:
    """Keys that live for years are what this repository does without."""
    for _, key, line, text in job.values():
        stored = re.search(r"secrets\.\w*AWS\w*KEY\w*", text, re.IGNORECASE)
        if stored or key.lower() == "aws-access-key-id":
            message = f"{key} takes an access key, which works from anywhere until it is rotated"
            mend = "assume the role with role-to-assume, and delete the key in IAM"
            yield Finding(job.source.path, line, "no-keys", message, mend)


def access_keys(root: Path) -> Iterator[Finding]:
    """No file of the repository holds an access key (AWS docs, IAM, "IAM identifiers")."""
    skipped = {".git", ".terraform", ".venv", "node_modules", "__pycache__"}
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(set(folders) - skipped)
        for path in (Path(folder, name) for name in files):
            if path.is_file() and path.stat().st_size <= LARGEST and os.access(path, os.R_OK):
                data = path.read_bytes()
                match = re.search(rb"\b(?:AKIA|ASIA)(?![A-Z0-9]*EXAMPLE)[A-Z2-7]{16}\b", data)
                if match:
                    line = data.count(b"\n", 0, match.start()) + 1
                    message = f"{match[0].decode()[:8]}... looks like an access key"
                    name = path.relative_to(root).as_posix()
                    yield Finding(name, line, "no-keys", message, "remove it, and delete it in IAM")


# What it prints


def subjects(account: Account) -> dict[str, Any]:
    """Return, for each entry, its role, the subjects that it trusts, and its conditions in full."""
    return {
        key: {
            "github_repository": entry["github_repository"],
            "role_arn": account.arn(f"role/{entry['role_name']}"),
            "subjects": claims(account, entry)["sub"],
            "conditions": conditions(account, entry),
            "errors": [f"{attribute} {why}" for attribute, why, _ in entry_errors(account, entry)],
        }
        for key, entry in account.entries.items()
    }


def explain(account: Account) -> Iterator[str]:
    """Yield who may assume each role, with an accepted and a refused example for each rule."""
    for entry in account.entries.values():
        name, environment, refs = (
            entry["github_repository"],
            entry.get("environment"),
            entry["refs"],
        )
        prefix = entry.get("subject_prefix") or f"repo:{name}".replace("/", "@ID/") + "@ID"
        words = (
            " or ".join(refs).replace("refs/tags/", "a tag ").replace("refs/heads/", "to branch ")
        )
        refs_count = environment is None or tests_ref(account, entry)
        who = f"whoever may push {words}"
        if environment is not None:
            who = f"whoever may deploy to the environment {environment} (Settings, Environments)"
            who += f", for {words.replace('to ', '')}" if refs_count else ", from any ref"
        yield account.arn(f"role/{entry['role_name']}")
        yield f"  A job of {name} may assume it for an hour: {who}."
        yield from (f"  {guarded(name, ref)}" for ref in refs if refs_count)
        if not entry.get("subject_prefix"):
            yield "  ID stands for the numeric ids, for which GitHub has not been asked yet."
        example = refs[0].replace("*", "1.2.3") if refs else "-"
        context = f"ref:{example}"
        if environment is not None:
            context = "environment:" + environment.replace(":", "%3A")
        owner, _, rest = prefix.partition("/")
        good = f"{prefix}:{context}"
        examples = [
            ("repository", good, f"{owner}/other-{rest}:{context}"),
            ("owner", good, f"{owner.replace(':', ':other-', 1)}/{rest}:{context}"),
            ("context", good, f"{prefix}:pull_request"),
            ("case", good, f"{prefix.upper()}:{context}"),
            ("audience", f"sts.{account.domain}", f"https://github.com/{name.split('/')[0]}"),
            ("issuer", f"https://{ISSUER}", "https://gitlab.com"),
        ]
        examples += [("ref", example, "refs/heads/feature")] * (tests_ref(account, entry))
        for rule, accepted, refused in examples:
            yield f"  {rule:<10}  accepted  {accepted}\n  {'':<10}  refused   {refused}"


def guarded(name: str, ref: str) -> str:
    """Return a sentence that says whether an active ruleset limits who may push a ref."""
    import subprocess

    def ask(path: str) -> Any:
        command = ["gh", "api", path]
        return json.loads(
            subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
        )

    limiting = {"creation"} if ref.startswith("refs/tags/") else {"update", "pull_request"}
    special = {"~ALL": "refs/*", "~DEFAULT_BRANCH": "refs/heads/main"}
    try:
        for number in [item["id"] for item in ask(f"repos/{name}/rulesets")]:
            ruleset = ask(f"repos/{name}/rulesets/{number}")
            included = ruleset.get("conditions", {}).get("ref_name", {}).get("include", [])
            patterns = [
                special.get(each, each).replace("**/*", "*").replace("**", "*") for each in included
            ]
            kinds = (
                {rule["type"] for rule in ruleset["rules"]}
                if ruleset["enforcement"] == "active"
                else set()
            )
            if kinds & limiting and any(within(ref, pattern) for pattern in patterns):
                return f"{ref}: the ruleset {ruleset['name']!r} limits who that is."
    except (OSError, subprocess.SubprocessError, ValueError, LookupError, TypeError):
        return (
            f"{ref}: whether a ruleset limits that is not known; ask: gh api repos/{name}/rulesets"
        )
    return f"{ref}: no ruleset limits that; whoever may write to the repository may publish."


def report(found: list[Finding], form: str) -> None:
    """Print findings for a reader, as GitHub's annotations, or as JSON."""
    if form == "json":
        print(json.dumps([finding._asdict() for finding in found], indent=2))
    elif form == "text":
        print(*found, sep="\n")
    else:
        for finding in found:
            text = f"{finding.message}\n{finding.mend}"
            for character, code in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
                text = text.replace(character, code)
            place = f"file={finding.path},line={finding.line},title={finding.rule}"
            print(f"::error {place}::{text}")


def main(arguments: list[str]) -> int:
    """Judge the repository that this file stands in; return the exit status."""
    import argparse

    parser = argparse.ArgumentParser(description="The rules stand in docs/rules.md.")
    commands = ["check", "subjects", "explain"]
    parser.add_argument("command", nargs="?", default="check", choices=commands)
    parser.add_argument("--format", default="text", choices=["text", "github", "json"])
    parser.add_argument("--plan", type=Path, help="what terraform show -json PLAN has written")
    parser.add_argument("--json", action="store_true", help="the only format of subjects")
    options = parser.parse_args(arguments)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    root = Path(__file__).resolve().parent.parent
    try:
        if options.command == "check":
            found = findings(root, options.plan)
            if found or options.format == "json":
                report(found, options.format)
            else:
                print("Workflows and infra/ agree: who may publish what, where, under which tags.")
            return 1 if {finding.rule for finding in found} - {UNJUDGED} else 2 if found else 0
        account = account_in(read(root, TFVARS))
        if options.command == "subjects":
            print(json.dumps(subjects(account), indent=2))
        else:
            print(*explain(account), sep="\n")
        return int(any(any(entry_errors(account, entry)) for entry in account.entries.values()))
    except CannotJudge as reason:
        message = str(reason)
    except ImportError:
        message = "PyYAML is missing, so no workflow can be read; this installs it: make check"
    if options.format == "text":
        print(message)
    else:
        report([Finding(message.split(":")[0], 1, UNJUDGED, message, "")], options.format)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
