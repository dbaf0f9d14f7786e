#!/usr/bin/env python3
"""<% raw %>Prove that workflows and Terraform of this repository agree on who may publish what.

    python3 scripts/check.py [--format text|github|json] [--plan PLAN.json] [--values VALUES.json]
    python3 scripts/check.py subjects --json    what each role trusts; needs no PyYAML
    python3 scripts/check.py explain            who may assume each role, in words

It reads the workflows, infra/ and, for access keys, every file; it changes nothing, and prints each
finding as `path:line: RULE message` with the mend below it. docs/rules.md has reason and source of
each rule.

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
from unicodedata import normalize
from zlib import crc32

TFVARS = "infra/terraform.tfvars.json"
FURTHER = "repositories-*.tfvars.json"  # beside it: entries with a state of their own
ELSEWHERE = "infra.json"  # without infra/: what another repository's infra/ says of this one
TRUST = "infra/repository/trust.tf"
REGISTRY = "infra/repository/registry.tf"
ACTIONS = "infra/repository/push-actions.json"
LIFECYCLE = "infra/repository/lifecycle.json"
WORKFLOWS = ".github/workflows"
SHARED = ".github/workflows/publish-image.yml"  # which other repositories may call
LARGEST, LARGEST_PLAN, DEEPEST = 1_000_000, 50_000_000, 50  # bytes, bytes, levels of YAML

CREDENTIALS = "aws-actions/configure-aws-credentials"
LOGIN = "aws-actions/amazon-ecr-login"
BUILD = "docker/build-push-action"
ISSUER = "https://token.actions.githubusercontent.com"
# GitHub Enterprise has others: with a slug, with data residency, and each server its own.
ISSUERS = (
    r"https://(token\.actions\.githubusercontent\.com(/[A-Za-z0-9-]+)?"
    r"|token\.actions\.([a-z0-9-]+\.ghe\.com)|([a-z0-9-]+(\.[a-z0-9-]+)+)/_services/token)"
)
UNJUDGED = "cannot-be-judged"
ACTION = ".github/actions/scripts/action.yml"  # which takes the scripts along with SHARED
# The claim job_workflow_ref: a workflow of some repository, at a ref or a commit.
CALLED = (
    r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+/\.github/workflows/[A-Za-z0-9_.-]+\.ya?ml"
    r"@(refs/(heads|tags)/[^\s*?$]+|[0-9a-f]{40})"
)
TRUST_MAXIMUM = 8192  # characters; 2,048 until raised [IAM quotas, "Role trust policy length"]

# An entry of `repositories`: what infra/variables.tf knows, and its kind of value.
ENTRY = {
    "github_repository": "text",
    "subject_prefix": "text or null",
    "refs": "a list of text",
    "dangerously_trust_any_tag": "true or false",
    "environment": "text or null",
    "test_ref": "true or false",
    "test_ids": "true or false",
    "job_workflow_ref": "text or null",
    "ecr_repository": "text",
    "role_name": "text",
    "max_session_duration": "number or null",
    "force_delete": "true or false",
    "pull_accounts": "a list of text or null",
    "expire_untagged_after_days": "number or null",
    "keep_newest_images": "number or null",
}
# The values for everything that infra/variables.tf knows.
VALUES = (
    *("aws_account_id", "aws_region", "create_oidc_provider", "repositories", "oidc_issuer"),
    *("role_path", "permissions_boundary", "kms_key", "tags"),
)
# What infra.json has beside them, and of which kind.
OUTPUTS = {
    "image_tag_mutability": str,
    "excluded_tags": list,
    "push_actions": list,
    "lifecycle": dict,
    "written_by": str,
}
# AWS docs, ECR, "Pushing a Docker image": what a push needs, beside ecr:GetAuthorizationToken.
PUSH = (
    *("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload"),
    *("ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage"),
    "ecr:UploadLayerPart",
)
# scripts/publish.py looks for the tags of env: IMAGE_TAG and SECOND_TAG, and puts them on an image.
PUBLISH = r"\bscripts/publish\.py\"?\s+(before|after)\b"
SETTLING = {
    "before": {"ecr:BatchGetImage"},
    "after": {"ecr:BatchGetImage", "ecr:PutImage"},
}
# scripts/deploy.py runs the image, where there are settings of a service.
SERVICE, SERVED = "service.json", "infra/service.tf"
DEPLOY = r"python3? scripts/deploy\.py (before|after)"
MINUTES = r"[0-9]{1,3}(\.[0-9]+)?"  # what WAIT_MINUTES can be
COUNTS = ("imageCountMoreThan", "sinceImagePushed")  # the kinds of lifecycle rules
SECRET = r"secrets(?:\.|\[\s*')"  # a name of a secret follows
STORED_KEY = SECRET + r"\w*AWS\w*(ACCESS|SECRET)\w*"
# Events that somebody without write access can cause, or that run beside code of theirs.
UNTRUSTED = re.compile(r"pull_request|workflow_run|issue|discussion|fork$|watch$|gollum$")
# Actions that ask for a token for somebody else than AWS: they need id-token: write, too.
CONSUMERS = (
    r"actions/(deploy-pages|attest)|pypa/gh-action-pypi-publish|rubygems/|ossf/scorecard|sigstore/"
    r"|google-github-actions/auth|azure/login|hashicorp/vault|slsa-framework/|codecov/"
)
# What decides who is trusted and what is granted: blocks, or whole files, as checksums that ignore
# comments and white space. Where one differs nothing is guessed: a plan shows both policies. (They
# are against mistakes: whoever can change such a file can change this one, too.)
WRITTEN = {
    ("infra/oidc.tf", ""): "95fd71e6",
    ("infra/main.tf", 'module "repository"'): "e8b68c4e",
    ("infra/variables.tf", 'variable "oidc_issuer"'): "7155f814",
    ("infra/variables.tf", 'variable "role_path"'): "3f651dd5",
    ("infra/variables.tf", 'variable "repositories"'): "84df410c",
    ("infra/repository/variables.tf", ""): "e296c988",
    (TRUST, ""): "5bcdb286",
    (REGISTRY, ""): "f381b26d",
}
IMAGE = 'resource "aws_ecr_repository" "image"'
ROLE = 'resource "aws_iam_role" "push"'
# What the role may be given without trusting or granting more.
NEUTRAL_LINES = (
    r"(?m)^  (?:description|tags) *="
    r' *(?:\{(?:"(?:\\.|[^"\\])*"|[^{}"])*\}|[^\n]*)'
)
# What a workflow may keep by a comment with the reason, if it can ask for no token:
#     # check: skip=no-keys,pinned-actions both ways work until the first release without keys
SKIP = re.compile(r"(?m)^\s*# check: skip=([a-z-]+(?:, ?[a-z-]+)*) +.*\w")
SKIPPABLE = {"no-keys", "no-secrets", "no-injection", "pinned-actions"}
# What a job may have that calls a workflow (GitHub docs, "Reusing workflow configurations").
BESIDE_USES = {
    *("uses", "with", "secrets", "name", "if", "needs", "permissions", "strategy", "concurrency"),
}
# What others may be given on a registry.
PULLING = {
    *("ecr:batchchecklayeravailability", "ecr:batchgetimage", "ecr:getdownloadurlforlayer"),
    *("ecr:describeimages", "ecr:describerepositories", "ecr:listimages"),
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
    """A YAML mapping that knows its file and the line (from 1) of each key; scalars are text."""

    def __init__(self, path: str = "") -> None:
        super().__init__()
        self.path = path
        self.lines: dict[str, int] = {}
        self.caller: Mapping | None = None  # the step that uses the composite action of this step

    def called_by(self, caller: Mapping) -> Mapping:
        """Return a copy of this step of a composite action, as a step of a job uses it."""
        step = Mapping(self.path)
        step.update(self)
        step.lines, step.caller = self.lines, caller
        return step

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
    """One workflow, or one composite action that a job of this repository uses."""

    path: str
    text: list[str]
    root: Mapping

    def parts(self) -> Iterator[tuple[Mapping, Mapping]]:
        """Yield what may use an action or run a script: each job and its steps, with the job."""
        jobs = self.root.of("jobs") or {"": self.root.of("runs")}
        for job in (job for job in jobs.values() if isinstance(job, Mapping)):
            for part in (job, *listed(job.get("steps"))):
                if isinstance(part, Mapping) and part.path == self.path:
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
    known: dict[str, Any]  # the values of matrix.NAME and inputs.NAME
    runs: list[Run]
    callers: tuple[Any, ...] = ()

    @property
    def where(self) -> tuple[str, int]:
        """Where the job begins: path and line."""
        return self.source.path, self.source.root.of("jobs").line(self.name)

    @property
    def steps(self) -> list[Mapping]:
        """The steps, in their order."""
        return listed(self.root.get("steps"))

    @property
    def for_others(self) -> bool:
        """Whether nothing here starts the job: workflows of other repositories call it."""
        events = self.source.root.get("on")
        names = list(events) if isinstance(events, Mapping) else listed(events)
        return names == ["workflow_call"] and not self.callers

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
        known = {
            key: str(item).lower() if item in (True, False) else item
            for key, item in self.known.items()
        }
        if step.caller is not None:  # a composite action has inputs of its own
            known = {key: item for key, item in known.items() if not key.startswith("inputs.")}
            inputs = step.caller.of("with")
            known.update(
                {f"inputs.{key}".lower(): self.input(step.caller, key.lower()) for key in inputs}
            )
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
        """Yield step or job, name, line and text of each value in env: and with:, and of run:."""
        for part in (self.source.root, self.root, *self.steps):
            for values in (part.of("env"), part.of("with")):
                yield from ((part, key, values.line(key), values.text(key)) for key in values)
            yield part, "run", part.line("run"), shell(part)

    def finding(self, step: Mapping, key: str, rule: str, message: str, mend: str) -> Finding:
        """Return a finding that points at an input of a step, or at the step."""
        name = step.named(key)
        line = step.of("with").line(name) if name else step.line("with")
        return Finding(step.path or self.source.path, line, rule, message, mend)


def listed(value: Any) -> list[Any]:
    """Return a list as it is, and anything else as a list of one; of nothing, none."""
    return value if isinstance(value, list) else [value] if value else []


def shell(step: Mapping) -> str:
    """Return the script of a step, continued lines joined, without comments."""
    return re.sub(r"(?m)(^|\s)#.*$", "", step.text("run").replace("\\\n", " "))


def findings(root: Path, plan: Path | None = None, values: Path | None = None) -> list[Finding]:
    """Judge a repository; `plan` is the JSON of a Terraform plan, `values` replaces TFVARS.

    Raises:
        CannotJudge: a file that is needed is missing or cannot be read.
    """
    account = account_at(root, values)
    service = service_at(root, account)
    workflows = [read_yaml(root, path) for path in workflow_files(root)]
    actions: dict[str, Source] = {}
    for workflow in workflows:
        with_actions(root, workflow.root.of("jobs"), actions)
    jobs = list(jobs_in(workflows, account))
    assuming = [job for job in jobs if job.assuming() or calls_trusted(job, account)]
    found = [*known_values(root, account), *known_workflows(root, account, workflows)]
    for source in (*workflows, *actions.values()):
        found += [*pinned_actions(source, account), *injections(source)]
        found += token_by_default(source)
    entries: dict[str, list[Job]] = {key: [] for key in account.entries}
    for job in assuming:
        keys = account.keys_of(job)
        if not keys and any(map(account.keys_of, assuming)) and not any(pushed_names(job)):
            continue  # a role that is made elsewhere, for something else
        here = any(not each.for_others for each in assuming)
        if job.for_others and here and not lent_to(job.source.path, account):
            continue  # nobody is known to call it yet, and nothing else starts it
        entries[[*keys, *entries][0]].append(job)
        found += [*untrusted_triggers(job), *explicit_choices(job)]
    judged = [job for own in entries.values() for job in own]
    needed = {id(one) for one in judged} | {id(one) for job in assuming for one in job.callers}
    for job in jobs:
        found += [*least_permissions(job, id(job) in needed, account), *key_inputs(job)]
        found += buildable(root, job) if not job.for_others else ()
    if not assuming:
        message = f"no job has a step of {CREDENTIALS} with role-to-assume"
        found.append(Finding(WORKFLOWS, 1, UNJUDGED, message, "restore deploy.yml"))
    shown = from_json(str(plan), read(Path(), str(plan), LARGEST_PLAN)) if plan else None
    made = resources_in(str(plan), shown) if plan else {}
    written = None if plan else Infra.written(root, account, found, service)
    planned = planned_entries(str(plan), shown, account) if plan else None
    for key, own in entries.items():
        entry = account.entries[key]
        if planned is not None and key not in planned:
            continue  # another state's, which has a plan of its own
        side = written and written.of_entry(entry)
        runs = service if service and service.entry is entry else None
        side = side or Infra.planned(str(plan), shown, made, account, entry, found, runs)
        for job in own:
            found += same_values(job, account, entry, side.longest)
            found += same_workflow(job, account, key)
        found += same_subjects(account, key, own, judged)
        pushing = [job for job in own if job.assuming()]
        if pushing:
            found += published(pushing, account, entry, side)
    found += deployed(root, service, entries)
    able = {job.source.path for job in jobs if may_ask(job)} | {*actions}
    kept = {each.path: skipped(each) for each in workflows if each.path not in able}
    return sorted({one for one in found if one.rule not in kept.get(one.path, ())})


def skipped(source: Source) -> set[str]:
    """Return the rules that a comment in a workflow leaves out, with its reason."""
    rules = {match[1] for match in SKIP.finditer("\n".join(source.text))}
    return {*re.findall("[a-z-]+", " ".join(rules))} & SKIPPABLE


def granted_to(job: Job) -> Any:
    """Return the permissions of a job: its own, those of its workflow, or those of who calls it."""
    scopes = (job.root, job.source.root, *(caller.root for caller in reversed(job.callers)))
    return next((scope["permissions"] for scope in scopes if "permissions" in scope), "")


def may_ask(job: Job) -> bool:
    """Tell whether a job can ask for a token, or has a step that would use one."""
    granted = granted_to(job)
    scopes = granted if isinstance(granted, Mapping) else {}
    return granted == "write-all" or scopes.get("id-token") == "write" or bool(job.assuming())


# Reading


def read(root: Path, path: str, largest: int = LARGEST) -> str:
    """Return the text of a file of the repository."""
    mend = "restore the file, or judge a plan: make plan" if path.endswith(".tf") else "restore it"
    try:
        if (root / path).stat().st_size > largest:
            raise ValueError(f"it is larger than {largest:,} bytes")
        return (root / path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise CannotJudge(f"{path}: cannot be read ({reason}); {mend}") from error


def from_json(path: str, text: str, form: Any = "NFC") -> Any:
    """Return what a JSON text says; no key may stand in an object twice. Terraform reads NFC."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key stands there twice")
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no value")

    try:
        value = json.loads(text, object_pairs_hook=once, parse_constant=refuse)
        plain_text = json.dumps(value, ensure_ascii=False)
        plain_text.encode()
        return json.loads(normalize(form, plain_text)) if form else value
    except (ValueError, RecursionError) as error:
        line, reason = getattr(error, "lineno", 1), getattr(error, "msg", error)
        raise CannotJudge(f"{path}:{line}: not JSON ({reason}); correct it") from error


def workflow_files(root: Path) -> list[str]:
    """Return the paths of the workflows."""
    files = [path for path in (root / WORKFLOWS).glob("*.y*ml") if path.is_file()]
    names = (path.relative_to(root).as_posix() for path in files)
    return sorted(name for name in names if name.endswith((".yml", ".yaml")))


def read_yaml(root: Path, name: str, wanted: str = "jobs") -> Source:
    """Return a workflow or a composite action with the lines of its keys."""
    text = read(root, name)
    document = parse_yaml(name, text)
    if not isinstance(document, Mapping) or not document.of(wanted):
        raise CannotJudge(f"{name}: no workflow, it has no {wanted}; correct or remove it")
    return Source(name, text.splitlines(), document)


def with_actions(root: Path, jobs: Mapping, actions: dict[str, Source], depth: int = 0) -> None:
    """Write the steps of the repository's composite actions behind the steps that use them."""
    for job in (job for job in jobs.values() if isinstance(job, Mapping) and depth < 10):
        steps = []
        for step in listed(job.get("steps")):
            steps.append(step)
            used = step.text("uses") if isinstance(step, Mapping) else ""
            names = [f"{used[2:].rstrip('/')}/action.{end}".lstrip("/") for end in ("yml", "yaml")]
            for name in names if used.startswith("./") else []:
                if (root / name).is_file():
                    if name not in actions:
                        actions[name] = read_yaml(root, name, "runs")
                        with_actions(root, actions[name].root, actions, depth + 1)
                    inner = listed(actions[name].root.of("runs").get("steps"))
                    steps += [each.called_by(step) for each in inner if isinstance(each, Mapping)]
        if steps:
            job["steps"] = steps


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
            value = (
                event.value if kind == "Scalar" else Mapping(name) if kind == "MappingStart" else []
            )
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
    texts: dict[str, str]  # by path; the first one has the values for everything
    places: dict[str, str]  # the path of each entry
    issuer: str  # without https://, as ARNs and condition keys have it
    role_path: str
    values: dict[str, Any]  # all of the file

    @property
    def path(self) -> str:
        """The file with the values for everything."""
        return next(iter(self.texts))

    @property
    def made_here(self) -> bool:
        """Whether infra/ is in this repository."""
        return self.path != ELSEWHERE

    @property
    def changing(self) -> str:
        """How what it says is changed."""
        if self.made_here:
            return f"change {self.path} and apply it"
        return "have the entry changed where infra/ is, and type: make fetch"

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

    @property
    def audience(self) -> str:
        """The audience of the tokens that STS takes there."""
        return f"sts.{self.domain}"

    @property
    def registry(self) -> str:
        """The host of the account's registry in the region."""
        return f"{self.id}.dkr.ecr.{self.region}.{self.domain}"

    @property
    def oidc_provider(self) -> str:
        """The ARN of GitHub's identity provider."""
        return self.arn(f"oidc-provider/{self.issuer}")

    @property
    def host(self) -> str:
        """The host of the GitHub that signs the tokens."""
        match = re.fullmatch(ISSUERS, f"https://{self.issuer}")
        return (match and (match[3] or match[4])) or "github.com"

    def role(self, entry: dict[str, Any]) -> str:
        """Return the ARN of an entry's role."""
        return self.arn(f"role{self.role_path}{entry['role_name']}")

    def arn(self, resource: str) -> str:
        """Return the ARN of a role or of the identity provider."""
        return f"arn:{self.partition}:iam::{self.id}:{resource}"

    def keys_of(self, job: Job, guess: bool = True) -> list[str]:
        """Return the keys of the entries whose roles a job assumes; a role not known may be any."""
        roles = [job.input(step, "role-to-assume") for step in (*job.assuming(), job.root)]
        names = [role.rpartition("/")[2] for role in roles]
        found = [key for key, entry in self.entries.items() if entry["role_name"] in names]
        return found or [*self.entries][: guess and "${{" in "".join(roles)]

    def at(self, key: str) -> int:
        """Return the line of a value for everything."""
        return line_of(self.texts[self.path], key)

    def line(self, key: str, attribute: str = "") -> int:
        """Return the line of an entry, or of an attribute in it."""
        lines = self.texts[self.places[key]].splitlines()
        start = next((n for n, line in enumerate(lines) if f"{json.dumps(key)}:" in line), 0)
        behind = (n for n in range(start, len(lines)) if f'"{attribute}"' in lines[n])
        return next(behind, start) + 1

    def finding(self, key: str, attribute: str, rule: str, message: str, mend: str) -> Finding:
        """Return a finding that points at an attribute of an entry."""
        return Finding(self.places[key], self.line(key, attribute), rule, message, mend)


def account_at(root: Path, values: Path | None = None) -> Account:
    """Return what a repository says of its account; `values` replaces TFVARS and what is beside it.

    Raises:
        CannotJudge: a file is missing, or is none that says it.
    """
    here = (root / TFVARS).is_file() or not (root / ELSEWHERE).is_file()
    path = TFVARS if here else ELSEWHERE
    folder = values.parent if values else (root / path).parent
    further = sorted(folder.glob(FURTHER)) if path == TFVARS else []
    for each in further:
        if not re.fullmatch(r"repositories-[\w-]+\.tfvars\.json", each.name, re.ASCII):
            example = "repositories-2.tfvars.json"
            raise CannotJudge(f"infra/{each.name}: no name of a state; rename it, e.g. {example}")
    texts = {path: read(root, str(values or path))}
    return account_in(texts | {f"infra/{each.name}": read(folder, each.name) for each in further})


def account_in(texts: dict[str, str]) -> Account:
    """Return what the first of some files says, by path, with the entries of the further ones."""
    (path, text), *further = texts.items()
    values = from_json(path, text)
    values = values if isinstance(values, dict) else {}
    account, region = values.get("aws_account_id"), values.get("aws_region")
    if not re.fullmatch("[0-9]{12}", str(account)) or not isinstance(account, str):
        raise CannotJudge(f"{path}: needs aws_account_id as text of 12 digits; correct it")
    if not re.fullmatch(r"[a-z]{2}(-gov)?-[a-z]+-[0-9]+", str(region)):
        raise CannotJudge(f"{path}: needs aws_region, the code of a region; correct it")
    if path == TFVARS and not isinstance(values.get("create_oidc_provider"), bool):
        raise CannotJudge(f"{path}: needs create_oidc_provider as true or false; correct it")
    issuer, role_path = (values.get(key) for key in ("oidc_issuer", "role_path"))
    if issuer is not None and not (isinstance(issuer, str) and re.fullmatch(ISSUERS, issuer)):
        raise CannotJudge(f"{path}: needs oidc_issuer as one of GitHub's; leave it out")
    form = r"/([A-Za-z0-9_+=,.@-]+/)*"
    if role_path is not None and not (isinstance(role_path, str) and re.fullmatch(form, role_path)):
        raise CannotJudge(f"{path}: needs role_path as /NAME/; correct it, or leave it out")
    entries = entries_in(path, values)
    places = dict.fromkeys(entries, path)
    for name, other in further:
        content = from_json(name, other)
        if not isinstance(content, dict) or {*content} - {"repositories"}:
            raise CannotJudge(f"{name}: needs repositories and nothing else; correct it")
        for key, entry in entries_in(name, content).items():
            if key in entries:
                raise CannotJudge(f"{name}: has the entry {key} of {places[key]}; remove one")
            entries[key], places[key] = entry, name
    if not entries:
        raise CannotJudge(f"{path}: needs an entry in repositories; add it")
    issuer, role_path = (issuer or ISSUER)[8:], role_path or "/"
    return Account(account, str(region), entries, texts, places, issuer, role_path, values)


def entries_in(path: str, values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the entries of a file, each value of its kind."""
    entries = values.get("repositories")
    if not isinstance(entries, dict):
        raise CannotJudge(f"{path}: needs an entry in repositories; add it")
    kinds = {"te": str, "a ": list, "tr": bool, "nu": int}
    for key, entry in entries.items():
        for attribute, kind in ENTRY.items():
            value = entry.get(attribute) if isinstance(entry, dict) else None
            missing = value is None and kind in ("text", "a list of text")
            items = value if isinstance(value, list) else [""]
            if (
                missing
                or not all(isinstance(item, str) for item in items)
                or (value is not None and not isinstance(value, kinds[kind[:2]]))
                or (kind[:2] == "nu" and isinstance(value, bool))
            ):
                raise CannotJudge(f"{path}: {key} needs {attribute} as {kind}; correct it")
    return dict(entries)


def service_at(root: Path, account: Account) -> Any:
    """Return the service that runs the image, as scripts/serving.py knows it, None without one.

    Raises:
        CannotJudge: its settings cannot be read, or are not of the kind that they must be.
    """
    if not has_service(root):
        return None
    if str(root / "scripts") not in sys.path:
        sys.path.append(str(root / "scripts"))
    import serving  # which only a repository has whose image is run

    text = read(root, SERVICE)
    settings = from_json(SERVICE, text, None)  # what it says arrives as it is
    for key, why, mend in serving.kind_errors(settings):
        raise CannotJudge(f"{SERVICE}:{line_of(text, key)}: {key} {why}; {mend}")
    entry = account.entries.get(settings["entry"])
    if entry is None or not account.made_here:
        where = f"{SERVICE}:{line_of(text, 'entry')}: entry {settings['entry']!r} is none of"
        raise CannotJudge(f"{where} {account.path}; write {' or '.join(account.entries)}")
    return serving.Service(settings, account, entry)


def has_service(root: Path) -> bool:
    """Tell whether a repository runs its image: it has settings, and what knows them."""
    return (root / SERVICE).is_file() and (root / "scripts/serving.py").is_file()


def line_of(text: str, key: str) -> int:
    """Return the line of a key in the text of an object; 1 where it is not there."""
    lines = enumerate(text.splitlines(), 1)
    return next((number for number, line in lines if f"{json.dumps(key)}:" in line), 1)


# Subjects: what infra/repository/trust.tf derives from an entry, derived once more


def tests_ref(account: Account, entry: dict[str, Any]) -> bool:
    """Tell whether the claim ref is tested beside the subject, which then names the environment."""
    asked = entry.get("test_ref") is not False and entry.get("environment") is not None
    return asked and account.partition == "aws"


def ref_counts(account: Account, entry: dict[str, Any]) -> bool:
    """Tell whether the role looks at the ref: in the subject, or in the claim beside it."""
    return entry.get("environment") is None or tests_ref(account, entry)


def contexts(entry: dict[str, Any]) -> list[str]:
    """Return what the trusted subjects hold behind their prefix."""
    environment = entry.get("environment")
    if environment is not None:
        return ["environment:" + environment.replace(":", "%3A")]
    return [f"ref:{ref}" for ref in entry["refs"]]


def claims(account: Account, entry: dict[str, Any]) -> dict[str, list[str]]:
    """Return the values that the role accepts for each claim that it tests."""
    prefix = entry.get("subject_prefix")
    tested = {
        "aud": [account.audience],
        "sub": [f"{prefix}:{context}" for context in contexts(entry)] if prefix else [],
    }
    if tests_ref(account, entry):
        tested["ref"] = entry["refs"]
    if entry.get("test_ids"):
        ids = re.findall("@([0-9]+)", prefix or "")
        tested["repository_owner_id"], tested["repository_id"] = ids[:1], ids[1:]
    if entry.get("job_workflow_ref"):
        tested["job_workflow_ref"] = [entry["job_workflow_ref"]]
    return tested


def conditions(account: Account, entry: dict[str, Any]) -> dict[str, dict[str, list[str]]]:
    """Return the conditions of the trust policy: StringLike only where there is a *."""
    found: dict[str, dict[str, list[str]]] = {}
    for claim, values in claims(account, entry).items():
        like = any(value.endswith("*") for value in values)
        test = found.setdefault("StringLike" if like else "StringEquals", {})
        test[f"{account.issuer}:{claim}"] = values
    return found


def trust_statement(account: Account, entry: dict[str, Any]) -> dict[str, Any]:
    """Return the one statement of the trust policy."""
    return {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": account.oidc_provider},
        "Condition": conditions(account, entry),
    }


def trust_length(account: Account, entry: dict[str, Any]) -> int:
    """Return how many characters IAM counts in an entry's trust policy: no white space."""
    policy = {"Version": "2012-10-17", "Statement": [trust_statement(account, entry)]}
    return len(json.dumps(policy, ensure_ascii=False, separators=(",", ":")))


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
        bounded = re.fullmatch(r"refs/(heads|tags)/[^*?$\x00-\x20\x7f]+[*]?", ref)
        if not bounded and not (ref == "refs/tags/*" and entry.get("dangerously_trust_any_tag")):
            mend = "write refs/tags/v*"
            if ref and not ref.startswith("refs/") and re.fullmatch(r"[\w./-]+\*?", ref):
                mend = f"write refs/heads/{ref} or refs/tags/{ref}"
            yield "refs", f"{ref!r} is not refs/heads/NAME or refs/tags/NAME", mend
    # IAM takes U+0020 to U+00FF in a trust policy; * ? and $ stand for others, % for an escape.
    if environment is not None and not re.fullmatch(
        r"[ -#&-)+->@-~\u00a1-\u00ff]{1,255}", environment
    ):
        yield "environment", f"{environment!r} does not name one environment", "write its name"
    called = entry.get("job_workflow_ref")
    if called is not None and (account.partition != "aws" or not re.fullmatch(CALLED, called)):
        why = f"{called!r} is no workflow at a ref, or AWS does not know its claim here"
        mend = "write OWNER/NAME/.github/workflows/publish-image.yml@refs/tags/v1, or null"
        yield "job_workflow_ref", why, mend
    length = trust_length(account, entry)
    if length > TRUST_MAXIMUM:
        why = f"make a trust policy of {length:,} characters, and the quota 'Role trust policy"
        why += f" length' is at most {TRUST_MAXIMUM:,}"
        yield "refs", why, "trust fewer refs, with a * at the end of what they have in common"
    if entry.get("test_ids") and (account.partition != "aws" or "@" not in (prefix or "@")):
        yield "test_ids", "the subject has no ids, or AWS does not know them here", "write false"
    part = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
    registry = entry["ecr_repository"]
    if not re.fullmatch(rf"(?=[a-z].{{1,255}}$){part}(/{part})*", registry):
        yield "ecr_repository", f"{registry!r} is no name that ECR takes", "write it in lower case"
    role = entry["role_name"]
    if not re.fullmatch(r"[A-Za-z0-9_+=,.@-]{1,64}", role) or role == "GitHubActions":
        yield "role_name", f"{role!r} is no name that works", "write for example NAME-push"
    bounds = {"max_session_duration": (3600, 43200)}
    for name in (*bounds, "expire_untagged_after_days", "keep_newest_images"):
        least, most = bounds.get(name, (1, 99999))
        if entry.get(name) is not None and not least <= entry[name] <= most:
            yield name, f"{entry[name]} is not {least} to {most}", f"write {least} or more"
    for number in entry.get("pull_accounts") or []:
        if not re.fullmatch("[0-9]{12}", number):
            yield "pull_accounts", f"{number!r} is no account", "write its 12 digits as text"


def account_errors(account: Account) -> Iterator[tuple[str, str, str]]:
    """Yield what Terraform refuses of the values for everything: the key, why, and the mend."""
    values, partition = account.values, account.partition
    forms = {
        "permissions_boundary": rf"arn:{partition}:iam::([0-9]{{12}}|aws):policy/.+",
        "kms_key": rf"arn:{partition}:kms:{account.region}:[0-9]{{12}}:key/.+",
    }
    for key, form in forms.items():
        value = values.get(key)
        if value is not None and not (isinstance(value, str) and re.fullmatch(form, value)):
            yield key, f"{value!r} is no such ARN in {account.region}", "write its ARN, or null"
    if len(account.role_path) > 512:
        yield "role_path", "is longer than 512 characters", "write for example /github/"
    tags = values.get("tags") or {}
    good = isinstance(tags, dict) and len(tags) <= 50
    for key, value in tags.items() if isinstance(tags, dict) else ():
        short = isinstance(value, str) and 0 < len(key) <= 128 and len(value) <= 256
        good = good and short and not key.lower().startswith("aws:")
    if not good:
        yield "tags", f"{tags!r:.60} is not what AWS takes", 'write for example {"team": "web"}'


def known_values(root: Path, account: Account) -> Iterator[Finding]:
    """Terraform refuses some values, and drops keys that it does not know without a word."""
    for key, why, mend in account_errors(account):
        message = f"{key} {why}, so Terraform refuses it"
        yield Finding(account.path, account.at(key), "known-keys", message, mend)
    variables = root / "infra/variables.tf"
    declared = code(read(root, "infra/variables.tf")) if variables.is_file() else ""
    for key in sorted(set(account.values) - {*VALUES, *(() if account.made_here else OUTPUTS)}):
        if not re.search(rf'(?m)^variable "{re.escape(key)}"', declared):
            message = f"Terraform has no variable {key!r}, so it has no effect"
            place = " into its entry of repositories" * (key in ENTRY)
            mend = f"write it{place}" if place else f"remove it, or write: {', '.join(VALUES)}"
            yield Finding(account.path, account.at(key), "known-keys", message, mend)
    entry_type = block(declared, 'variable "repositories"')[1].partition("validation")[0]
    rules = {"ecr_repository": "same-registry", "role_name": "same-role"}
    others = {
        "max_session_duration": "session-duration",
        "pull_accounts": "least-actions",
        "expire_untagged_after_days": "lifecycle",
        "keep_newest_images": "lifecycle",
    }
    taken = {name: [one[name].lower() for one in account.entries.values()] for name in rules}
    for key, entry in account.entries.items():
        for attribute, why, mend in entry_errors(account, entry):
            message = f"{key}: {attribute} {why}, so Terraform refuses it"
            rule = {**rules, **others}.get(attribute, "subject")
            yield account.finding(key, attribute, rule, message, mend)
        for attribute in rules:
            if taken[attribute].count(entry[attribute].lower()) > 1:
                message = f"{key}: {attribute} is another entry's, too, so Terraform refuses it"
                mend = "give each entry its own"
                yield account.finding(key, attribute, rules[attribute], message, mend)
        for attribute in sorted(set(entry) - set(ENTRY)):
            if not re.search(rf"(?m)^ {{4}}{re.escape(attribute)}\s*=", entry_type):
                message = f"{key}: Terraform ignores {attribute!r}, so it has no effect"
                mend = f"remove it, or write one of: {', '.join(ENTRY)}"
                yield account.finding(key, attribute, "known-keys", message, mend)


# Infrastructure: as far as it can be read without parsing HCL, or as a plan shows it in full


Made = dict[str, list[dict[str, Any]]]  # the values of a plan's resources, by their type


class Infra(NamedTuple):
    """What Terraform makes of an entry."""

    mutability: str
    excluded: list[str]  # filters for the tags that may move
    longest: int  # seconds that a session may last
    granted: list[str]
    lifecycle: Any
    where: tuple[str, int] | None = None  # where a plan stands, which says all of this

    @classmethod
    def written(
        cls, root: Path, account: Account, found: list[Finding], service: Any = None
    ) -> Infra:
        """Read the files; a part that was rewritten is a finding, and is not judged."""

        def unknown(path: str, line: int, message: str) -> None:
            mend = "judge a plan, which shows it: make plan"
            found.append(Finding(path, line, UNJUDGED, message, mend))

        if not account.made_here:
            said = account.values
            for key, kind in OUTPUTS.items():
                if not isinstance(said.get(key), kind):
                    raise CannotJudge(f"{ELSEWHERE}: needs {key}, as it was written; fetch it anew")
            granted = ["ecr:GetAuthorizationToken", *said["push_actions"]]
            excluded, where = said["excluded_tags"], (ELSEWHERE, 1)
            known = (said["image_tag_mutability"], excluded, 3600, granted, said["lifecycle"])
            return cls(*known, where)
        texts = {path: code(read(root, path)) for path, _ in WRITTEN}
        provider_at, provider = block(code(read(root, "infra/versions.tf")), 'provider "aws"')
        role = block(texts[TRUST], ROLE)[1]
        image_at, image = block(texts[REGISTRY], IMAGE)
        for (path, head), expected in WRITTEN.items():
            line, body = block(texts[path], head)
            if not head:  # two blocks have parts that are yours
                body = body.replace(role, re.sub(NEUTRAL_LINES, "", role)).replace(image, "")
            if digest(body) != expected:
                message = (
                    f"{head or 'it'} was rewritten, so what is trusted and granted is not known"
                )
                unknown(path, line, f"{message} (now {digest(body)})")
        for part in ("region=var.aws_region\n", "allowed_account_ids=[var.aws_account_id]\n"):
            if part not in provider.replace(" ", ""):
                message = "the provider's region or account was rewritten"
                unknown("infra/versions.tf", provider_at, message)
        if service:
            own = digest(code(read(root, SERVED)))
            if own != service.written:
                message = f"it was rewritten, so what is granted is not known (now {own})"
                unknown(SERVED, 1, message)
        further_files(root, account, unknown, service)
        mutability = re.findall(r'(?m)^\s*image_tag_mutability\s*=\s*"(\w+)"\s*$', image)
        name = re.findall(r"(?m)^\s*name\s*=\s*(.*?)\s*$", image)
        hidden = re.search(r"ignore_|dynamic|region\s*=", image)
        if len(mutability) != 1 or name != ["var.entry.ecr_repository"] or hidden:
            message = "the registry's name, region or tag mutability was rewritten"
            unknown(REGISTRY, image_at, message)
        filters = re.findall(r'(?m)^\s*filter\s*=\s*"([^"]+)"', image)
        granted = from_json(ACTIONS, read(root, ACTIONS))
        if not isinstance(granted, list) or not all(isinstance(name, str) for name in granted):
            raise CannotJudge(f"{ACTIONS}: needs a list of text; restore it")
        granted = ["ecr:GetAuthorizationToken", *granted]
        lifecycle = from_json(LIFECYCLE, read(root, LIFECYCLE))
        return cls([*mutability, "IMMUTABLE"][0], filters, 3600, granted, lifecycle)

    def of_entry(self, entry: dict[str, Any]) -> Infra:
        """Return what the files say of one entry, with the numbers that it has itself."""
        lifecycle = json.loads(json.dumps(self.lifecycle))
        numbers = {
            "untagged": entry.get("expire_untagged_after_days"),
            "tagged": entry.get("keep_newest_images"),
        }
        rules = lifecycle.get("rules") if isinstance(lifecycle, dict) else None
        for rule in listed(rules):
            selection = rule.get("selection") if isinstance(rule, dict) else None
            if isinstance(selection, dict):
                number = numbers.get(str(selection.get("tagStatus")))
                selection["countNumber"] = number or selection.get("countNumber")
        longest = entry.get("max_session_duration") or self.longest
        return self._replace(longest=longest, lifecycle=lifecycle)

    @classmethod
    def planned(
        cls,
        path: str,
        plan: Any,
        made: Made,
        account: Account,
        entry: dict[str, Any],
        found: list[Finding],
        service: Any = None,
    ) -> Infra:
        """Judge the policies of an entry's role in a plan; return what else the plan says of it."""
        name, repository = entry["role_name"], entry["ecr_repository"]

        def wrong(rule: str, message: str, mend: str) -> None:
            found.append(Finding(path, 1, rule, message, mend))

        def of(kind: str, attribute: str, value: str) -> list[dict[str, Any]]:
            return [item for item in made.get(kind, []) if item.get(attribute) == value]

        def statements(policies: list[str]) -> list[Any]:
            documents = [from_json(path, policy)["Statement"] for policy in policies]
            return [statement for document in documents for statement in listed(document)]

        try:
            given = [plan["variables"][key]["value"] for key in ("aws_account_id", "aws_region")]
            if given != [account.id, account.region] or plan.get("errored"):
                raise ValueError("it was made for other values, or failed")
            (role,) = of("aws_iam_role", "name", name)
            (registry,) = of("aws_ecr_repository", "name", repository)
            (lifecycle,) = of("aws_ecr_lifecycle_policy", "repository", repository)
            region = plan["configuration"]["provider_config"]["aws"]["expressions"]["region"]
            regions = (None, account.region)
            if (
                region.get("references") != ["var.aws_region"]
                or registry.get("region") not in regions
            ):
                wrong("same-region", "the registry is not made there", f"use {account.region}")
            if role.get("path", "/") != account.role_path:
                message = f"the path of {name} is {role['path']}, which changes its ARN"
                wrong("same-role", message, f"write the path {account.role_path}")
            for provider in made.get("aws_iam_openid_connect_provider", []):
                if account.audience not in provider["client_id_list"]:
                    message = f"the identity provider does not know {account.audience}"
                    wrong("same-audience", message, "add it to client_id_list")
            trust = statements([role["assume_role_policy"]])
            expected = trust_statement(account, entry)
            if plain(trust) != plain([expected]):
                message = (
                    f"{name} trusts {json.dumps(trust)}, which is not what {account.path} says"
                )
                wrong("subject", message, f"trust this alone: {json.dumps(expected)}")
            managed = of("aws_iam_role_policy", "role", name)
            granted = statements([item["policy"] for item in managed])
            names = [item.get("name") for item in managed]  # these replace what the role has now
            inline = [
                item["policy"]
                for item in role.get("inline_policy") or []
                if item.get("policy") and item.get("name") not in names
            ]
            own = [plain(each) for each in granted]  # after an apply it is shown as inline, too
            granted += [each for each in statements(inline) if plain(each) not in own]
            for each in service.statements() if service else ():
                same = [one for one in granted if unnamed(one) == unnamed(each)]
                if not same:
                    message = f"{name} is not granted {json.dumps(each)}, so no image could be run"
                    wrong("least-actions", message, f"restore {SERVED}")
                granted = [one for one in granted if one not in same]
            for message in service.planned(made, lambda one: policy(path, one)) if service else ():
                wrong("least-actions", message, f"restore {SERVED}: it is passed on to the service")
            arn = (
                f"arn:{account.partition}:ecr:{account.region}:{account.id}:repository/{repository}"
            )
            for each in granted:
                login = plain(each.get("Action")) == ["ecr:GetAuthorizationToken"]
                allowed = {"Effect": ["Allow"], "Resource": ["*"] if login else [arn]}
                kept = {key: each[key] for key in each if key not in ("Sid", "Action")}
                if plain(kept) != allowed or "Action" not in each:
                    message = f"{name} is granted {json.dumps(each)}, which is more than pushing"
                    wrong("least-actions", message, f"grant it on {arn} alone")
            further_policies(made, entry, wrong)
            as_said(role, made, account, entry, wrong)
            filters = registry.get("image_tag_mutability_exclusion_filter") or []
            return cls(
                mutability=registry["image_tag_mutability"],
                excluded=[str(item["filter"]) for item in filters],
                longest=int(role["max_session_duration"]),
                granted=[str(one) for each in granted for one in plain(each.get("Action", []))],
                lifecycle=from_json(path, lifecycle["policy"]),
                where=(path, 1),
            )
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise CannotJudge(
                f"{path}: does not show {name} and its registry in full ({error!r}); write it anew:"
                " make plan. Where depends_on or an id hides a value until the apply, remove it"
            ) from error


def outputs(root: Path, account: Account, written_by: str) -> dict[str, dict[str, Any]]:
    """Return, by key, what the repository of an entry needs to know of infra/: its ELSEWHERE.

    Raises:
        CannotJudge: a part was rewritten, so it is not known what Terraform makes of an entry.
    """
    unknown: list[Finding] = []
    written = Infra.written(root, account, unknown)
    if unknown:
        raise CannotJudge(f"{unknown[0].path}:{unknown[0].line}: {unknown[0].message}; restore it")
    shared = ("aws_account_id", "aws_region", "oidc_issuer", "role_path")
    said = {name: account.values[name] for name in shared if account.values.get(name) is not None}
    sides = {key: written.of_entry(entry) for key, entry in account.entries.items()}
    return {
        key: {
            "written_by": written_by,
            **said,
            "repositories": {key: account.entries[key]},
            "image_tag_mutability": side.mutability,
            "excluded_tags": side.excluded,
            "push_actions": [one for one in side.granted if one != "ecr:GetAuthorizationToken"],
            "lifecycle": side.lifecycle,
        }
        for key, side in sides.items()
    }


def planned_entries(path: str, plan: Any, account: Account) -> set[str]:
    """Return the keys of the entries that a plan is of: those of one file, all of them."""
    try:
        keys = {*plan["variables"]["repositories"]["value"]}
    except (LookupError, TypeError) as error:
        raise CannotJudge(f"{path}: no JSON of a plan ({error!r}); write it: make plan") from error
    for name in account.texts:
        own = {key for key, place in account.places.items() if place == name}
        if keys == own:
            return own
    raise CannotJudge(f"{path}: was made for other entries than {account.path} has; write it anew")


def resources_in(path: str, plan: Any) -> Made:
    """Return the values of all resources of a plan, by their type."""
    made: Made = {}
    try:
        modules = [plan["planned_values"]["root_module"]]
        for module in modules:
            modules += module.get("child_modules", [])
            for resource in module.get("resources", []):
                made.setdefault(resource["type"], []).append(resource["values"])
    except (LookupError, TypeError, AttributeError) as error:
        raise CannotJudge(f"{path}: no JSON of a plan ({error!r}); write it: make plan") from error
    return made


def unnamed(statement: dict[str, Any]) -> Any:
    """Return a statement in one spelling, without its name."""
    return plain({key: each for key, each in statement.items() if key != "Sid"})


def policy(path: str, document: Any) -> list[Any]:
    """Return the statements of a policy, given as JSON or as a list, in one spelling and order."""
    if isinstance(document, str):
        document = listed(from_json(path, document)["Statement"])
    return sorted(map(unnamed, document), key=str)


def further_policies(made: Made, entry: dict[str, Any], wrong: Any) -> None:
    """Judge what grants to the role, or on the registry, beside the two known policies."""
    name, repository = entry["role_name"], entry["ecr_repository"]
    for kind, item in [(kind, item) for kind, items in made.items() for item in items]:
        roles = [item[key] for key in ("role", "role_name", "roles") if item.get(key)]
        if re.fullmatch(r"aws_iam_(role_|policy_)\w*polic\w*|aws_iam_policy_attachment", kind):
            if not roles:
                message = f"an {kind} names a role that is known only after the apply"
                wrong(UNJUDGED, message, "write the role's name as text, not its id")
            elif kind != "aws_iam_role_policy" and name in [
                x for one in roles for x in listed(one)
            ]:
                message = f"{name} gets an {kind}, so it may do more than push"
                wrong("least-actions", message, "remove it from infra/")
        elif (
            kind == "aws_iam_role" and item.get("name") == name and item.get("managed_policy_arns")
        ):
            message = f"{name} gets managed policies, so it may do more than push"
            wrong("least-actions", message, "remove them from infra/")
        elif (
            re.fullmatch(r"aws_ecr_(repository|registry)_policy", kind)
            and item.get("repository") in (None, repository)
            and not only_pulls(item.get("policy"))
        ):
            message = f"an {kind} lets others change what stands in {repository}"
            wrong("least-actions", message, "let it grant pulling alone")


def as_said(
    role: dict[str, Any], made: Made, account: Account, entry: dict[str, Any], wrong: Any
) -> None:
    """Hold what a plan makes against the values that nobody was asked for, where they are set."""
    name, lasts = entry["role_name"], entry.get("max_session_duration")
    if lasts is not None and role["max_session_duration"] != lasts:
        message = f"sessions of {name} last {role['max_session_duration']} s, not {lasts}"
        wrong("session-duration", message, f"let {TRUST} read max_session_duration")
    boundary = account.values.get("permissions_boundary")
    if boundary and role.get("permissions_boundary") != boundary:
        message = f"{name} is not bounded by {boundary}, as {account.path} says"
        wrong("least-actions", message, f"let {TRUST} read permissions_boundary")
    said = entry.get("pull_accounts") or []
    known = {f"arn:{account.partition}:iam::{number}:root" for number in said}
    for item in made.get("aws_ecr_repository_policy", []):
        own = item.get("repository") == entry["ecr_repository"]
        if own and said and only_pulls(item.get("policy")):
            who: set[str] = set()
            for each in listed(json.loads(item["policy"])["Statement"]):
                given = each.get("Principal")
                who |= {*plain(given).get("AWS", ["*"])} if isinstance(given, dict) else {"*"}
            if not who <= known:
                message = f"{entry['ecr_repository']} may be pulled by {', '.join(sorted(who))}"
                wrong("least-actions", message, f"name all in pull_accounts of {account.path}")


def only_pulls(policy: Any) -> bool:
    """Tell whether a policy of a registry grants pulling, and nothing else."""
    try:
        statements = listed(json.loads(policy)["Statement"])
        return all(
            each["Effect"] == "Allow"
            and "NotAction" not in each
            and {action.lower() for action in listed(each["Action"])} <= PULLING
            for each in statements
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return False


def further_files(root: Path, account: Account, unknown: Any, service: Any) -> None:
    """Find what may overrule the files that are known, or grant more than they do."""
    entries = account.entries.values()
    names = [re.escape(entry[key]) for entry in entries for key in ("role_name", "ecr_repository")]
    passed = service.passed() if service else []
    names += [re.escape(f"{service.name}-{kind}") for kind in passed]
    given = "|".join(rf"aws_iam_role\.{kind}\b" for kind in passed)
    parts = ["module\\.repository", "aws_ecr_registry_policy", f'"({"|".join(names)})"']
    ours = re.compile("|".join([*parts, *[given] * bool(given)]))
    granting = r'(?m)^\s*(?:resource\s+"?aws_(?:iam_\w*polic\w*|ecr_\w*policy)"?\s|module\s)'
    clear = r'aws_iam_role\.[\w-]+(\[[^\]]*\])?\.(name|id)|"[^"$]*"'
    for file in sorted((root / "infra").rglob("*.*")):
        path = file.relative_to(root).as_posix()
        if ".terraform" in file.parts or not file.is_file():
            continue
        overruling = (
            r"\.auto\.tfvars(\.json)?$|/terraform\.tfvars$|(^|_|/)override\.tf$|\.tf\.json$"
        )
        if re.search(rf"{overruling}|\.tofu", path):
            unknown(path, 1, "it may overrule the files that are judged here")
        elif file.parent == root / "infra/repository" and file.suffix == ".tf":
            if file.stem not in ("trust", "registry", "variables", "outputs", "versions"):
                unknown(path, 1, "it is a further part of what is trusted and granted")
        elif file.suffix == ".tf" and not (service and path == SERVED):
            text = code(read(root, path))
            for match in re.finditer(granting, text):
                body = text[match.start() : text.find("\n}", match.start())]
                roles = re.findall(r"(?m)^\s*roles?\s*=\s*(.+?)\s*$", body)
                vague = not all(re.fullmatch(clear, role) for role in roles)
                if (ours.search(body) or vague) and 'module "repository"' not in body:
                    line = text.count("\n", 0, match.start()) + 1
                    unknown(path, line, "it may grant more to a role or on a registry of infra/")


def plain(value: Any) -> Any:
    """Return a part of a policy in one spelling: a lone value is a list, and lists are sorted."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in sorted(value.items())}
    values = value if isinstance(value, list) else [value]
    return sorted((plain(item) if isinstance(item, dict) else item for item in values), key=str)


def code(text: str) -> str:
    """Return Terraform without comments and heredocs; every line keeps its number."""
    parts = r'("(?:\\.|[^"\\\n])*")|(?:#|//)[^\n]*|/\*.*?\*/|[<]{2}-?(\w+)\n.*?\n[ \t]*\2\b'
    return re.sub(parts, lambda part: part[1] or "\n" * part[0].count("\n"), text, flags=re.DOTALL)


def block(text: str, head: str) -> tuple[int, str]:
    """Return line and code of the one block of code with a head; without head, all of it."""
    starts_at = [match.start() for match in re.finditer(rf"(?m)^{re.escape(head)}\s*\{{\s*$", text)]
    last = f"\n{re.match(' *', head)[0]}}}"  # type: ignore[index]  # as far in as its head
    end = text.find(last, starts_at[0]) if len(starts_at) == 1 else -1
    if not head or end < 0:
        return 1, "" if head else text
    return text.count("\n", 0, starts_at[0]) + 1, text[starts_at[0] : end + len(last)]


def digest(body: str) -> str:
    """Return a checksum of code that ignores white space outside of texts."""
    text = r"(\"(?:\\.|[^\"\\\n])*\")|\s+"
    return f"{crc32(re.sub(text, lambda part: part[1] or '', body).encode()):08x}"


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
    tokens: list[str] = []
    rest = text
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


def outcomes(
    tree: Any, run: Run, known: dict[str, Any], seen: dict[Any, Any] | None = None
) -> list[tuple[Any, Run]]:
    """Return each value that an expression may have, with the run that has it, its ref narrowed.

    A value is text, true, false, UNKNOWN, or a tuple: what the text of a ref leaves out of it.
    GitHub compares without regard to case; a ref is compared here as it is written.
    """
    seen = {} if seen is None else seen
    kind, *parts = tree
    if (id(tree), run) in seen:
        return seen[id(tree), run]  # type: ignore[no-any-return]
    found: list[tuple[Any, Run]] = []
    if kind == "value":
        found = [(parts[0], run)]
    elif kind == "!":
        pairs = outcomes(parts[0], run, known, seen)
        found = [(UNKNOWN if value is UNKNOWN else not value, then) for value, then in pairs]
    elif kind in ("&&", "||"):
        for value, then in outcomes(parts[0], run, known, seen):
            if value is UNKNOWN:
                found.append((False if kind == "&&" else UNKNOWN, then))
            if value is UNKNOWN or bool(value) == (kind == "&&"):
                found += outcomes(parts[1], then, known, seen)
            else:
                found.append((value, then))
    elif kind in ("==", "!=") or (parts[0] == "startswith" and len(parts) == 3):
        for left, middle in outcomes(parts[-2], run, known, seen):
            for right, then in outcomes(parts[-1], middle, known, seen):
                for value, last in compared(kind, left, right, then):
                    same = value if kind != "!=" or value is UNKNOWN else not value
                    found.append((same, last))
    elif kind == "name":
        found = [named(parts[0], run, known)]
    else:
        found = [(UNKNOWN, run._replace(sure=run.sure and bool(re.match(NEUTRAL, str(parts[0])))))]
    seen[id(tree), run] = list(dict.fromkeys(found))
    return seen[id(tree), run]  # type: ignore[no-any-return]


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
    elif isinstance(left, bool) and isinstance(right, bool):
        yield left == right, run
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
    pull = run.event.startswith("pull_request")
    values = {
        "github.event_name": run.event,
        "github.event.pull_request": pull,
        "github.event.repository.default_branch": "main",
        "github.ref_type": "tag" if start == "refs/tags/" else "branch",
        **({} if pull else {"github.head_ref": "", "github.base_ref": ""}),
        **known,
    }
    value = values.get(name, "${{")
    if "${{" not in str(value):
        return value, run
    return UNKNOWN, run._replace(sure=run.sure and bool(re.match(NEUTRAL, name)))


def texts(text: str, run: Run, known: dict[str, Any]) -> list[tuple[Any, Run]]:
    """Return each value of a text that may be one expression; UNKNOWN where it is not known."""
    if text.startswith("${{") and text.count("${{") == 1 and text.endswith("}}"):
        return outcomes(read_expression(text[3:-2]), run, known)
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
    events = workflow.root.get("on")
    for event in events if isinstance(events, Mapping) else listed(events):
        if not isinstance(event, str):
            line = workflow.root.line("on")
            raise CannotJudge(
                f"{workflow.path}:{line}: on has an event that is no text; correct it"
            )
        if event == "push":
            refs = list(pushed_refs(workflow.root.of("on", event)))
        elif event == "release":
            refs = ["refs/tags/*"]  # whatever its tag: filters are not evaluated
        elif event == "pull_request_target":
            refs = ["refs/heads/*"]
        elif event.startswith("pull_request"):
            refs = ["refs/pull/*"]
        elif event in ("workflow_dispatch", "create", "deployment", "deployment_status"):
            refs = ["refs/heads/*", "refs/tags/*"]
        elif event == "merge_group":
            refs = ["refs/heads/gh-readonly-queue/*"]
        else:
            refs = [] if event == "workflow_call" else ["refs/heads/main"]  # the default branch
        yield from (Run(event, ref) for ref in refs)


def pushed_refs(config: Mapping) -> Iterator[str]:
    """Yield the refs of a push as IAM can express them: what a filter begins with, then *."""
    filters = [key for key in config if key.startswith(("branches", "tags"))]
    for kind, key in (("heads", "branches"), ("tags", "tags")):
        for pattern in map(str, listed(config.get(key))):
            special = re.search(r"[*?+\[\]!\\]", pattern)
            if not special:
                yield f"refs/{kind}/{pattern}"
            elif special[0] != "!" or special.start():
                counted = special[0] in "?+"  # it says how often the character before it stands
                yield f"refs/{kind}/{pattern[: special.start() - counted]}*"
        if f"{key}-ignore" in filters or not filters:
            yield f"refs/{kind}/*"


def jobs_in(workflows: list[Source], account: Account) -> Iterator[Job]:
    """Yield the jobs of all workflows; those of a called workflow once for each caller.

    One that other repositories call is judged as the first entry calls it whose role trusts it,
    with and without an environment.
    """
    by_path = {workflow.path: workflow for workflow in workflows}
    called = {job.text("uses")[2:] for workflow in workflows for job, _ in workflow.parts()}
    for workflow in workflows:
        runs = list(starts(workflow))
        if runs or workflow.path not in called:
            lent = {} if runs else lent_to(workflow.path, account)
            for entry in lent.values():
                refs = [Run("push", ref) for ref in entry["refs"]]
                given = given_to(workflow, caller_inputs(account, entry))
                yield from jobs_of(workflow, refs, given, (), by_path)
            if not lent:
                yield from jobs_of(workflow, runs, {}, (), by_path)


def lent_to(path: str, account: Account) -> dict[Any, dict[str, Any]]:
    """Return the first entries, of each kind, whose roles trust a workflow that others call."""
    found: dict[Any, dict[str, Any]] = {}
    for entry in account.entries.values():
        if lends(path, entry):
            lasts, named = entry.get("max_session_duration"), entry.get("environment") is None
            found.setdefault((named, lasts, *kinds(entry["refs"])), entry)
    return found


def kinds(refs: list[str]) -> list[str]:
    """Return of which kinds refs are: heads, tags."""
    return sorted({ref.split("/")[1] for ref in refs if ref.count("/") > 1})


def lends(path: str, entry: dict[str, Any]) -> bool:
    """Tell whether an entry's role trusts a workflow of this repository."""
    return (entry.get("job_workflow_ref") or "").partition("@")[0].endswith(f"/{path}")


def caller_inputs(account: Account, entry: dict[str, Any]) -> dict[str, str]:
    """Return what a service's workflow passes to the one that publishes for it."""
    inputs = {
        "role-to-assume": account.role(entry),
        "aws-region": account.region,
        "ecr-repository": entry["ecr_repository"],
        "version": "${{ github.ref_name }}",
    }
    if any(ref.startswith("refs/heads/") for ref in entry["refs"]):
        inputs["version"] = "main-${{ github.run_number }}"
    environment = entry.get("environment")
    return inputs if environment is None else {**inputs, "environment": environment}


def jobs_of(
    workflow: Source,
    runs: list[Run],
    inputs: dict[str, Any],
    callers: tuple[Job, ...],
    workflows: dict[str, Source],
) -> Iterator[Job]:
    """Yield the jobs of one workflow, and of those it calls."""
    root = workflow.root.of("jobs")
    able: dict[str, list[Run]] = {}

    def starting(name: str, behind: tuple[str, ...] = ()) -> list[Run]:
        """Return the runs a job may start in: those of the jobs it needs, and its own if."""
        if name not in able:
            where, job = f"{workflow.path}:{root.line(name)}", root[name]
            steps = listed(job.get("steps")) if isinstance(job, Mapping) else [""]
            if not all(isinstance(step, Mapping) for step in steps) or name in behind:
                raise CannotJudge(f"{where}: {name} is no job with steps; correct it")
            condition = str(job.get("if", "true"))
            written = condition
            if "${{" in condition:  # anything around the braces makes a text, which is true
                alone = condition.startswith("${{") and condition.endswith("}}")
                one = alone and condition.count("${{") == 1
                written = condition[3:-2] if one else "true"
            before = runs
            for need in map(str, listed(job.get("needs"))):
                if need in root and not re.search(r"(always|failure|cancelled)\(", written):
                    others = starting(need, (*behind, name))
                    before = [
                        both for one in before for other in others for both in met(one, other)
                    ]
            tree = read_expression(written)
            found = [pair for run in before for pair in outcomes(tree, run, inputs)]
            able[name] = [run for value, run in dict.fromkeys(found) if value is UNKNOWN or value]
        return able[name]

    for name in root:
        found = starting(name)
        where, job_root = f"{workflow.path}:{root.line(name)}", root[name]
        for matrix in matrices(where, job_root):
            job = Job(workflow, name, job_root, {**inputs, **matrix}, found, callers)
            yield job
            used = job_root.text("uses")
            if used.startswith("./"):
                target = workflows.get(used[2:])
                if not target or len(callers) > 9:  # GitHub docs: ten levels
                    raise CannotJudge(f"{where}: {used} is not there; correct it")
                yield from jobs_of(target, found, passed(job, target), (*callers, job), workflows)


def met(one: Run, other: Run) -> Iterator[Run]:
    """Yield the run in which two jobs of a workflow both start, where there is one."""
    ref = common(one.ref, other.ref)
    if ref and one.event == other.event:
        yield Run(one.event, ref, one.sure and other.sure)


def passed(job: Job, target: Source) -> dict[str, Any]:
    """Return the inputs that a job passes to the workflow it calls, else their defaults."""
    values = job.root.of("with")
    return given_to(target, {name: job.resolve(Mapping(), values.text(name)) for name in values})


def given_to(target: Source, values: dict[str, str]) -> dict[str, Any]:
    """Return the inputs of a workflow that is called: those given, else their defaults."""
    declared = target.root.of("on", "workflow_call", "inputs")
    found: dict[str, Any] = {}
    for name in declared:
        value = values.get(name, declared.of(name).text("default"))
        if declared.of(name).text("type") == "boolean" and "${{" not in value:
            found[f"inputs.{name}".lower()] = value.lower() == "true"
        else:
            found[f"inputs.{name}".lower()] = value
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
    more = []
    for item in (flat(item) for item in added if isinstance(item, Mapping)):
        fitting = [
            one for one in found if all(one.get(key) == item[key] for key in axes & set(item))
        ]
        for one in fitting:
            one.update(item)
        if not fitting:
            more.append(item)
    return [*found, *more] or [{}]


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


def environment_of(job: Job) -> str:
    """Return the environment of a job as it is written, with what is known filled in."""
    name = job.root.of("environment").text("name") or job.root.text("environment")
    name = name or (job.root.input("environment") if job.root.text("uses") else "")
    return job.resolve(Mapping(), name)


def same_subjects(
    account: Account, key: str, jobs: list[Job], judged: list[Job]
) -> Iterator[Finding]:
    """Each subject that a job can present is trusted, and no other one is."""
    entry = account.entries[key]
    environment, refs = entry.get("environment"), entry["refs"]
    refs_count = ref_counts(account, entry)
    trusted = refs if environment is None else [f"environment:{environment}"]
    presented: list[str] = []
    guessed = False
    for job in jobs:
        strange: set[str] = set()
        unsure: set[str] = set()
        doubtful: set[str] = set()
        own = []
        name = environment_of(job)
        for run in (run for run in job.runs if not UNTRUSTED.match(run.event)):
            for value, then in texts(name, run, job.known):
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
        overlap = any(common(shown, ref) for shown in own for ref in refs)
        (unsure if overlap else strange).update(doubtful)
        guessed = guessed or bool(unsure) or not account.keys_of(job, guess=False)
        if strange:
            message = (
                f"job {job.name} can present {', '.join(sorted(strange))} and the role trusts "
                f"{', '.join(trusted)} ({account.path}), so that run would be refused"
            )
            mend = f"bound the job with if: and environment:, or {account.changing}"
            yield Finding(*job.where, "subject", message, mend)
        elif unsure:
            message = f"job {job.name} presents {', '.join(sorted(unsure))} as far as can be known"
            mend = "bound it with an if: on github.ref, and write environment: as text"
            yield Finding(*job.where, UNJUDGED, message, mend)
    names = {
        account.entries[k]["github_repository"]
        for job in judged
        for k in account.keys_of(job, guess=False)
        if not lends(job.source.path, account.entries[k])
    }
    if guessed or (not jobs and entry["github_repository"] not in names):
        return  # the workflows of that entry stand in another repository
    for ref in refs if refs_count else []:
        if not any(within(ref, shown) for shown in presented):
            message = f"{key}: the role trusts {ref} and no job presents it, so another one could"
            mend = f"let a job run for it, or remove {ref} from refs: {account.changing}"
            yield account.finding(key, "refs", "subject", message, mend)
    if jobs and len(names) > 1:
        message = (
            f"jobs here assume the roles of {', '.join(sorted(names))}; a repository has one name"
        )
        mend = "let each repository assume the role of its own entry"
        yield Finding(*jobs[0].where, "subject", message, mend)


def known_workflows(root: Path, account: Account, workflows: list[Source]) -> Iterator[Finding]:
    """A workflow that a role trusts is there, and takes what its callers pass."""
    names = {entry["github_repository"] for entry in account.entries.values()}
    by_path = {workflow.path: workflow for workflow in workflows}
    own = own_name(root, account)
    for key, entry in account.entries.items() if account.made_here else ():
        called = entry.get("job_workflow_ref") or ""
        owner, _, rest = called.partition("/")
        name, _, path = rest.partition("/")
        path = path.partition("@")[0]
        if not re.fullmatch(CALLED, called):
            continue  # which is a finding already
        if f"{owner}/{name}" not in names:
            message = (
                f"{key}: the role trusts a workflow of {owner}/{name}, which has no entry here"
            )
            mend = "write the name of this repository, as GitHub shows it"
            yield account.finding(key, "job_workflow_ref", "subject", message, mend)
        elif f"{owner}/{name}" == own:
            missing = [each for each in (path, ACTION) if not (root / each).is_file()]
            if missing:
                message = f"{key}: the role trusts a workflow that needs {' and '.join(missing)}"
                mend = "restore it: make add REPO=... ARGS=--calls..."
                yield account.finding(key, "job_workflow_ref", "subject", message, mend)
                continue
            declared = by_path[path].root.of("on", "workflow_call", "inputs")
            given = caller_inputs(account, {**entry, "environment": "any"})
            needed = {each for each in declared if declared.of(each).text("required") == "true"}
            wrong = sorted((needed - {*given}) | ({*given} - {*declared}))
            if wrong:
                message = f"callers pass {', '.join(given)}, and it takes {', '.join(declared)}"
                line = by_path[path].root.line("on")
                yield Finding(path, line, UNJUDGED, message, f"correct {', '.join(wrong)}")


def own_name(root: Path, account: Account) -> str | None:
    """Return the name of this repository, as its own entry has it; None where none is known."""
    try:
        answers = json.loads((root / ".cookiecutter.json").read_text(encoding="utf-8"))
        return str(account.entries[answers["default_context"]["project_slug"]]["github_repository"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def calls_trusted(job: Job, account: Account) -> bool:
    """Tell whether a job calls a workflow of another repository that a role trusts, at any ref."""
    used = job.root.text("uses").partition("@")[0]
    called = [entry.get("job_workflow_ref") or "" for entry in account.entries.values()]
    return bool(used) and used in [each.partition("@")[0] for each in called]


def spellings(entry: dict[str, Any]) -> set[str]:
    """Return how `uses:` may name the workflow that an entry's role trusts."""
    called = entry.get("job_workflow_ref") or ""
    return {called, shortened(called)} - {""}


def shortened(called: str) -> str:
    """Return a claim job_workflow_ref as `uses:` is usually written: with the ref's name alone."""
    return re.sub("@refs/(heads|tags)/", "@", called)


def same_workflow(job: Job, account: Account, key: str) -> Iterator[Finding]:
    """A role that trusts the jobs of one workflow is assumed there, and given what it needs."""
    entry = account.entries[key]
    called, used = entry.get("job_workflow_ref"), job.root.text("uses")
    if called and used not in spellings(entry) and not lends(job.source.path, entry):
        message = f"the role trusts only jobs of {called}, and job {job.name} is none of them"
        mend = f"write uses: {shortened(called)} in place of the steps"
        mend += "" if account.made_here else "; this takes the whole file: make caller"
        yield Finding(*job.where, "subject", message, mend)
    elif called and used:
        beside = sorted(set(job.root) - BESIDE_USES)
        if beside:
            message = f"job {job.name} calls a workflow and has {', '.join(beside)}, too, which"
            mend = "remove it, or take the whole file: make caller"
            yield Finding(*job.where, UNJUDGED, f"{message} GitHub refuses", mend)
        wanted = caller_inputs(account, entry)
        rules = {"aws-region": "same-region", "ecr-repository": "same-registry"}
        rules["version"] = "unique-tags"
        for name in wanted:
            value = job.input(job.root, name)
            if expression(value) != expression(wanted[name]) and name != "environment":
                shown = f"is {value}" if value else "is missing"
                message = f"{name} {shown}, and this entry needs {wanted[name]}"
                mend = f"write {name}: {wanted[name]} below with:"
                yield job.finding(job.root, name, rules.get(name, "same-role"), message, mend)


# The other values that stand on both sides


def same_values(
    job: Job, account: Account, entry: dict[str, Any], longest: int
) -> Iterator[Finding]:
    """Role, account, region, audience and duration are those of infra/."""
    wanted = (
        ("role-to-assume", "same-role", account.role(entry), True),
        ("allowed-account-ids", "same-role", account.id, False),
        ("aws-region", "same-region", account.region, True),
        ("audience", "same-audience", account.audience, account.partition == "aws-cn"),
    )
    steps, place = job.assuming(), account.path
    own = [
        step
        for step in steps
        if job.input(step, "role-to-assume").endswith(f"/{entry['role_name']}")
    ]
    for step in own or steps:  # beside its own a job may assume a role that is made elsewhere
        for key, rule, expected, needed in wanted:
            value = job.input(step, key)
            accepted = re.split(r"[,\s]+", value) if key == "allowed-account-ids" else [value]
            if expected not in accepted and (value or needed):
                yield from differs(job, step, key, rule, value, expected, account.path)
        lasts = job.input(step, "role-duration-seconds") or "3600"
        if not lasts.isdigit() or not 900 <= int(lasts) <= longest:
            message = (
                f"role-duration-seconds is {lasts} and the role allows 900 to {longest} ({TRUST})"
            )
            mend = f"write role-duration-seconds: {longest}"
            rule = "session-duration" if lasts.isdigit() else UNJUDGED
            yield job.finding(step, "role-duration-seconds", rule, message, mend)
    for step in job.using(LOGIN):
        region = job.resolve(step, "${{ env.AWS_REGION }}")
        if region not in ("${{ env.AWS_REGION }}", account.region):
            yield from differs(
                job, step, "env: AWS_REGION", "same-region", region, account.region, place
            )
        registry = job.input(step, "registries") or account.id
        if job.input(step, "registry-type").lower() == "public":
            yield from differs(
                job, step, "registry-type", "same-registry", "public", "private", place
            )
        if registry != account.id:
            yield from differs(
                job, step, "registries", "same-registry", registry, account.id, place
            )


def differs(
    job: Job, step: Mapping, key: str, rule: str, value: str, expected: str, place: str
) -> Iterator[Finding]:
    """Yield the finding for a value that is not what infra/ says, or cannot be known."""
    changing = f"change {place} and apply it"
    if place == ELSEWHERE:
        changing = "have the entry changed where infra/ is, and type: make fetch"
    mend = f"write {key}: {expected}, or {changing}"
    shown = f"is {value}" if value else "is missing"
    message = f"{key} {shown} and {place} says {expected}, so nothing could be published"
    if "${{" in value:
        rule, message = UNJUDGED, f"{key} is {value}, whose value only the run knows"
    if "secrets." not in value:  # that is a finding of its own
        yield job.finding(step, key, rule, message, mend)


def published(
    jobs: list[Job], account: Account, entry: dict[str, Any], side: Infra
) -> Iterator[Finding]:
    """What is pushed where, under which tags, what that needs, and what expires later."""
    if side.mutability != "IMMUTABLE_WITH_EXCLUSION":
        side = side._replace(excluded=[])  # AWS refuses filters beside any other mutability
    if side.mutability not in ("IMMUTABLE", "IMMUTABLE_WITH_EXCLUSION"):
        message = f"image_tag_mutability is {side.mutability}, so a version can be moved"
        mend = 'write image_tag_mutability = "IMMUTABLE"'
        yield Finding(*side.where or (REGISTRY, 1), "unique-tags", message, mend)
    needed: set[str] = set()
    every: list[tuple[Job, Mapping, str]] = []
    put: list[tuple[Job, Mapping, str]] = []  # by scripts/publish.py, on an image that is there
    unseen = False
    refs = entry["refs"] if ref_counts(account, entry) else ["refs/heads/*"]
    heads = [ref for ref in refs if ref.startswith("refs/heads/")]
    branch = any(common(run.ref, ref) for job in jobs for run in job.runs for ref in heads)
    for job in jobs:
        found, pushed, hidden = pushed_names(job)
        yield from found
        unseen = unseen or hidden
        needed |= {*PUSH, "ecr:GetAuthorizationToken"} if pushed else set()
        needed |= {"ecr:GetAuthorizationToken"} if job.using(LOGIN) else set()
        needed |= {action for step in job.steps for action in called_actions(shell(step))}
        settled, called = settled_names(job)
        needed |= called
        for step, name in [*pushed, *settled]:
            yield from same_registry(job, step, name, account, entry)
            yield from unique_tag(job, step, name, side, branch)
        every += [(job, step, name) for step, name in pushed]
        put += [(job, step, name) for step, name in settled]
        if not hidden:
            yield from publish_once(job, pushed, settled, side)
    yield from pushed_twice(every, side)
    pushing = bool(every)
    every += put
    for pattern in side.excluded if not unseen else []:
        if pattern not in [split_image(name)[2] for _, _, name in every]:
            message = f"the filter {pattern} excludes more from immutability than a tag that moves"
            mend = "write a filter for the moving tag alone, for example latest"
            yield Finding(*side.where or (REGISTRY, 1), "unique-tags", message, mend)
    if not pushing and not unseen:
        message = f"job {jobs[0].name} assumes the role and no step of {BUILD} pushes tags"
        yield Finding(*jobs[0].where, UNJUDGED, message, "push with push: true and tags")
    elif not unseen:
        tags = sorted({split_image(name)[2] for _, _, name in every})
        yield from least_actions(needed, side)
        yield from expiring(tags, entry, side, branch)


def settled_names(job: Job) -> tuple[list[tuple[Mapping, str]], set[str]]:
    """Return step and name of each image that scripts/publish.py tags, and what it calls."""
    settled, called = [], set()
    for step in job.steps:
        for word in re.findall(PUBLISH, shell(step)):
            called |= SETTLING[word]
            tags = [
                job.resolve(step, f"${{{{ env.{key} }}}}") for key in ("IMAGE_TAG", "SECOND_TAG")
            ]
            if word == "after":
                image = job.resolve(step, "${{ env.REGISTRY }}/${{ env.ECR_REPOSITORY }}")
                settled += [(step, f"{image}:{tag}") for tag in tags]
                if not re.search(
                    r"\bgithub\.sha\b", tags[1]
                ):  # then it moves to the newest version of all
                    called.add("ecr:DescribeImages")
    return settled, called


def publish_once(
    job: Job, pushed: list[tuple[Mapping, str]], settled: list[tuple[Mapping, str]], side: Infra
) -> Iterator[Finding]:
    """What scripts/publish.py looks for is pushed, of this commit; no failed push is green."""
    rule = "publish-once"
    tags = [expression(split_image(name)[2]) for _, name in pushed]
    for step, name in settled if tags else []:
        tag = split_image(name)[2]
        if expression(tag) not in tags and tag not in side.excluded:
            message = f"scripts/publish.py looks for {tag}, which no step pushes, so the job fails"
            message += " after the push"
            mend = "write the same tags in env: (IMAGE_TAG, SECOND_TAG) and in tags: of the push"
            yield job.finding(step, "tags", rule, message, mend)
    steps = {id(step): step for step, _ in pushed}.values()
    before = any("before" in re.findall(PUBLISH, shell(step)) for step in job.steps)
    for step in (job.root, *steps):
        later = job.steps[job.steps.index(step) + 1 :] if step is not job.root else []
        needed = step.text("continue-on-error") not in ("", "false") or (later and before)
        if needed and not any(map(judges, later)):
            message = "no step judges what was pushed, so the job may be green without an image"
            mend = "end it with a step without if: that runs python3 scripts/publish.py after"
            line = step.line("continue-on-error")
            yield Finding(step.path or job.source.path, line, rule, message, mend)
    moving = any(split_image(name)[2] in side.excluded for _, name in settled)
    for step in steps if moving else []:
        revision = r"org\.opencontainers\.image\.revision=\$\{\{\s*github\.sha\s*\}\}"
        if not re.search(revision, job.input(step, "annotations")):
            message = (
                "the image does not name its commit, so a second run takes it for another one's"
            )
            mend = "write annotations: org.opencontainers.image.revision=${{ github.sha }}"
            yield job.finding(step, "annotations", rule, message, mend)
    for step in job.using("actions/checkout") if settled else []:
        ref, elsewhere = job.input(step, "ref"), step.input("repository") + step.input("path")
        own = r"((refs/tags/)?\$\{\{\s*github\.(sha|ref|ref_name)\s*\}\})?"
        if not elsewhere and not re.fullmatch(own, ref):
            message = f"the image is built from {ref} and says that it is the commit of the run"
            yield job.finding(step, "ref", rule, message, "remove ref: from the checkout")


def judges(step: Mapping) -> bool:
    """Tell whether a step fails the job when nothing was pushed; the shell has no pipefail."""
    condition = step.text("if").strip("${} ")
    last = shell(step).strip().splitlines()[-1:]
    alone = r"\S*python\S*(\s+-\w+)*\s+\S*scripts/publish\.py\S*\s+after\s*(&&\s[^;|]*)?"
    return (
        any(re.fullmatch(alone, line.strip()) for line in last)
        and "set +e" not in shell(step)
        and step.text("continue-on-error") in ("", "false")
        and re.fullmatch(r"|(success|always|!\s*cancelled)\(\)", condition) is not None
    )


def expression(text: str) -> str:
    """Return a text with its expressions in one spelling; GitHub ignores their case."""
    return re.sub(r"\$\{\{.*?\}\}", lambda found: re.sub(r"\s", "", found[0]).lower(), text)


def pushed_twice(every: list[tuple[Job, Mapping, str]], side: Infra) -> Iterator[Finding]:
    """What one push has tagged, no other one may push for the same ref."""
    for n, (job, step, name) in enumerate(every):
        if split_image(name)[2] in side.excluded:
            continue
        for other in [other for other, _, same in every[:n] if same == name]:
            regions = {one.input(one.assuming()[0], "aws-region") for one in (job, other)}
            both = any(common(run.ref, also.ref) for run in job.runs for also in other.runs)
            if len(regions) == 1 and (both or other is job):
                message = f"{name} is pushed more than once for a ref, and the second is refused"
                mend = "push it once, or write what differs into the tag"
                yield job.finding(step, "tags", "unique-tags", message, mend)


def called_actions(script: str) -> Iterator[str]:
    """Yield the actions of the calls to ECR in a script."""
    option = r"(?:--[\w-]+(?:=|\s+)\S+\s+)*"
    start = r"(?m)(?:^|[;&|(`!=]|\b(?:then|do|else|if)\b)\s*"
    for command in re.findall(rf"{start}aws\s+{option}ecr\s+{option}([a-z-]+)", script):
        known = {"get-login-password": "get-authorization-token"}
        known["wait"] = "describe-image-scan-findings"
        parts = known.get(command, command).split("-")
        yield "ecr:" + "".join(part.title() for part in parts)


def pushed_names(job: Job) -> tuple[list[Finding], list[tuple[Mapping, str]], bool]:
    """Return findings, step and name of each image that is pushed, and whether more may be."""
    pushing = (
        r"\b(docker|podman|buildx|skopeo|oras|buildah|helm)\b[^\n]*"
        r"\b(push(?!=false)|copy|imagetools\s+create)\b"
        r"|\bcrane\s+(push|copy|tag|append)\b|\baws\b[^\n]*\becr\s+put-image\b"
    )
    elsewhere = re.compile(r"(bake|build-?push|kaniko|buildah|push-to|build-and-push)[^@]*@")
    hidden = [
        step
        for step in job.steps
        if re.search(pushing, shell(step))
        or (elsewhere.search(step.action()) and step not in job.using(BUILD))
    ]
    found, pushed = [], []
    runs = [run for run in job.runs if not UNTRUSTED.match(run.event)] or [Run("push", "refs/*")]
    name = r"(?:\$\{\{.*?\}\}|[^,\n])+"
    for step in job.using(BUILD):
        asked = job.input(step, "push").lower()
        values = {value for run in runs for value, _ in texts(asked, run, job.known)}
        outputs = job.input(step, "outputs")
        if re.search(r"push=(?!false)|type=registry|\$\{\{", outputs):
            hidden.append(step)
        elif values <= {"true", True}:
            tags = re.findall(name, job.input(step, "tags"))
            for cache in job.input(step, "cache-to").splitlines():
                if "type=registry" in cache or "type=" not in cache:
                    tags += re.findall(rf"ref=({name})", cache) or re.findall(name, cache)[:1]
            tags = [tag.strip() for tag in tags if tag.strip()]
            pushed += [(step, tag) for tag in tags]
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
    inside = re.findall(r"\$\{\{.*?\}\}", name)
    host, _, rest = re.sub(r"\$\{\{.*?\}\}", "\0", name).partition("/")
    repository, _, tag = rest.rpartition(":")
    parts = []
    for part in (host, repository, tag):
        for _ in range(part.count("\0")):
            part = part.replace("\0", inside.pop(0), 1)
        parts.append(part)
    return parts[0], parts[1], parts[2]


def same_registry(
    job: Job, step: Mapping, name: str, account: Account, entry: dict[str, Any]
) -> Iterator[Finding]:
    """The role may push to one repository of one registry, into which an earlier step logs in."""
    host, repository, tag = split_image(name)
    own = account.registry
    login = re.fullmatch(r"\$\{\{\s*steps\.([\w-]+)\.outputs\.registry\s*\}\}", host)
    before = job.steps[: job.steps.index(step)]
    assumed = [n for n, item in enumerate(before) if item in job.assuming()][:1]
    logins = [item for item in before[assumed[0] :] if item in job.using(LOGIN)] if assumed else []
    source = [item for item in before if login and item.text("id") == login[1]][:1]
    known = source[0] in job.using(LOGIN) if source else login or "${{" not in host
    by_hand = any(
        "docker/login-action@" in item.action() or "docker login" in shell(item) for item in before
    )
    if not known or "${{" in repository or not tag or "/" in tag:
        message = f"tags has {name}, whose registry and repository only the run knows"
        mend = f"write ${{{{ steps.registry.outputs.registry }}}}/{entry['ecr_repository']}:TAG"
        if "secrets." not in name:  # that is a finding of its own
            yield job.finding(step, "tags", UNJUDGED, message, mend)
    elif (
        repository != entry["ecr_repository"]
        or not (source and source[0] in logins if login else host == own)
        or not (logins or by_hand)
    ):
        message = (
            f"the image goes to {host}/{repository} and the role may push to {own}/"
            f"{entry['ecr_repository']} ({account.path}), after the role is assumed and a login"
        )
        mend = f"write the repository {entry['ecr_repository']}, and log in before"
        yield job.finding(step, "tags", "same-registry", message, mend)


def unique_tag(job: Job, step: Mapping, name: str, side: Infra, branch: bool) -> Iterator[Finding]:
    """A tag is pushed once, or it is excluded from immutability."""
    tag = split_image(name)[2]
    inside = [text.strip() for text in re.findall(r"\$\{\{(.*?)\}\}", tag)]
    # GitHub docs, "Contexts": one value for a commit, or a new one for every run.
    unique = ["github.sha", "github.run_id", "github.run_number"]
    unique += [] if branch else ["github.ref_name"]
    if all(run.event == "release" for run in job.runs):  # else it is empty
        unique.append("github.event.release.tag_name")
    if any(text in unique for text in inside) or tag in ("", *side.excluded):
        return
    if set(inside) - {"github.ref_name", "github.event.release.tag_name"}:
        message = f"tags has {name}, whose value only the run knows"
        mend = "write ${{ github.ref_name }}, ${{ github.sha }} or main-${{ github.run_number }}"
        if "secrets." not in name:  # that is a finding of its own
            yield job.finding(step, "tags", UNJUDGED, message, mend)
    else:
        message = f"the tag {tag} does not name one commit in every run, so a push would be refused"
        mend = "write a tag that names the commit, for example ${{ github.sha }}"
        yield job.finding(step, "tags", "unique-tags", message, mend)


def least_actions(needed: set[str], side: Infra) -> Iterator[Finding]:
    """The role may do what the steps do, and nothing else."""
    where, granted = side.where or (ACTIONS, 1), set(side.granted)
    place = "infra/" if side.where else ACTIONS
    apply = " and apply it"
    if where[0] == ELSEWHERE:
        place, apply = "that infra/", ", apply it, and type: make fetch"
    if needed - granted:
        message = f"the steps need {', '.join(sorted(needed - granted))}, so a push would be denied"
        yield Finding(*where, "least-actions", message, f"add it to {place}{apply}")
    if granted - needed:
        message = f"the role is granted {', '.join(sorted(granted - needed))}, which no step needs"
        yield Finding(*where, "least-actions", message, f"remove it from {place}{apply}")


def expiring(
    tags: list[str], entry: dict[str, Any], side: Infra, branch: bool
) -> Iterator[Finding]:
    """Simulate the lifecycle over the tags that a run pushes, and what a failed push leaves.

    Releases stay for ever; of a branch the newest image stays; no rule is without effect (AWS docs,
    ECR, "Lifecycle policy properties": an image is judged by the first rule that selects it).
    """
    where, mend = side.where or (LIFECYCLE, 1), f"correct {LIFECYCLE} and apply it"
    newest = [sample(tag, entry) for tag in tags]
    order: list[int] = []
    judged = False  # whether an earlier rule has selected the images with a tag
    try:
        for rule in side.lifecycle["rules"]:
            selection, number = rule["selection"], rule["rulePriority"]
            status, by = selection["tagStatus"], selection["countType"]
            whole = [type(each) is int and each > 0 for each in (number, selection["countNumber"])]
            last = rule is side.lifecycle["rules"][-1]
            if (
                not all(whole)
                or rule["action"]["type"] != "expire"
                or (status == "any" and not last)
            ):
                raise ValueError(f"rule {number}")
            if by not in COUNTS or status not in ("any", "tagged", "untagged"):
                raise ValueError(f"rule {number}: {status}, {by}")
            order.append(number)
            if status == "untagged":
                continue
            patterns = [f"{each}*" for each in selection.get("tagPrefixList", [])]
            patterns += selection.get("tagPatternList", [])
            # Every pattern must be met, each by some tag of the image.
            selected = status == "any" or all(any(like(tag, p) for tag in newest) for p in patterns)
            if not branch:
                message = f"rule {number} is for images with a tag, and each of them is a release"
                yield Finding(*where, "lifecycle", message, mend)
            elif not selected or (judged and status == "tagged"):
                message = f"rule {number} matches no image that a run or a failed push can leave"
                yield Finding(*where, "lifecycle", message, mend)
            elif not judged and by == "sinceImagePushed":
                message = (
                    f"rule {number} removes in time also the newest image, {', '.join(newest)}"
                )
                yield Finding(*where, "lifecycle", message, mend)
            judged = judged or selected
        kinds = [rule["selection"]["tagStatus"] for rule in side.lifecycle["rules"]]
        numbers = {"keep_newest_images": "tagged", "expire_untagged_after_days": "untagged"}
        for name, kind in numbers.items():
            if entry.get(name) and kind not in kinds:
                message = f"{name} has no rule for {kind} images, so it has no effect"
                yield Finding(
                    *where, "lifecycle", message, f"remove it from {TFVARS}, or add a rule"
                )
        if order != sorted(set(order)):
            raise ValueError("the priorities do not rise")
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        yield Finding(*where, UNJUDGED, f"ECR or Terraform refuses it ({error})", mend)


def sample(tag: str, entry: dict[str, Any]) -> str:
    """Return a tag as a run would push it."""
    ref = (entry["refs"] or ["refs/tags/v*"])[0].split("/", 2)[-1]
    tag = re.sub(r"\$\{\{\s*github\.sha\s*\}\}", "7" * 40, tag)
    tag = re.sub(r"\$\{\{\s*github\.ref_name\s*\}\}", ref.replace("*", "1.7.0"), tag)
    return re.sub(r"\$\{\{.*?\}\}", "7", tag)


def like(text: str, pattern: str) -> bool:
    """Tell whether a text matches a pattern of ECR, in which * stands for any characters."""
    first, *parts = pattern.split("*")
    if not parts or not text.startswith(first):
        return text == pattern
    at = len(first)
    for part in parts[:-1]:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return text.endswith(parts[-1]) and len(text) - at >= len(parts[-1])


def deployed(root: Path, service: Any, jobs: dict[str, list[Job]]) -> Iterator[Finding]:
    """What runs the image has settings that AWS takes, and is deployed as it was published."""
    every = [(key, job, deploying(job)) for key, own in jobs.items() for job in own]
    if service is None:
        for job, step in ((job, step) for _, job, steps in every for step in steps):
            if re.fullmatch(DEPLOY, shell(step).strip()):  # else it is a script of somebody else's
                message = f"scripts/deploy.py needs {SERVICE} and scripts/serving.py"
                mend = "restore them, or remove the step"
                yield job.finding(step, "run", "same-service", message, mend)
        return
    text = read(root, SERVICE)
    module = f"scripts/{service.target.replace('-', '_')}.py"
    if not (root / module).is_file():
        message = f"deploy_to is {service.target}, and {module} is not there: it is another one's"
        mend = "see 'Change an answer later' in the guide: where it runs"
        yield Finding(SERVICE, line_of(text, "deploy_to"), "same-service", message, mend)
    for setting, why, mend in service.errors():
        yield Finding(SERVICE, line_of(text, setting), "service-settings", f"{setting} {why}", mend)
    if not any(steps for _, _, steps in every):
        message = "no job that assumes the role runs python3 scripts/deploy.py, so nothing runs"
        mend = "restore deploy.yml, or remove the service"
        yield Finding(SERVICE, 1, "same-service", message, mend)
    for key, job, steps in every:
        if steps:
            yield from deploys_once(job, steps, service, service.account.entries[key])


def deploying(job: Job) -> list[Mapping]:
    """Return the steps of a job that name scripts/deploy.py, in whichever way."""
    return [step for step in job.steps if re.search(r"\bdeploy\.py\b", shell(step))]


def deploys_once(
    job: Job, every: list[Mapping], service: Any, entry: dict[str, Any]
) -> Iterator[Finding]:
    """A job that deploys looks before it builds, and deploys behind that what was published."""

    def wrong(step: Mapping, key: str, message: str, mend: str) -> Finding:
        return job.finding(step, key, "same-service", message, mend)

    words = [re.fullmatch(DEPLOY, shell(step).strip()) for step in every]
    if [each and each[1] for each in words] != ["before", "after"]:
        message = "deploy.py is not run once before the build and once after, alone in its step"
        mend = "write run: python3 scripts/deploy.py before, and ... after, each in its own step"
        yield wrong(every[0], "run", message, mend)
        return
    before, after = every
    for step in every:
        odd = [key for key in ("if", "shell", "working-directory") if step.text(key)]
        odd += ["continue-on-error"] * (step.text("continue-on-error") not in ("", "false"))
        if odd:
            message = f"{' and '.join(odd)} may leave the job green where nothing was deployed"
            yield wrong(step, odd[0], message, "remove it from the step")
    builds = [job.steps.index(step) for step in job.using(BUILD)]
    if builds and min(builds) < job.steps.index(before):
        message = "what runs is noted behind the build, so a newer version could be replaced"
        yield wrong(before, "run", message, "move the step ahead of the build")
    settled = [step for step in job.steps[: job.steps.index(after)] if judges(step)]
    env, source = after.of("env"), settled[-1] if settled else Mapping()
    wanted = {
        "DIGEST": f"${{{{ steps.{source.text('id')}.outputs.digest }}}}",
        "BEFORE": f"${{{{ steps.{before.text('id')}.outputs.image }}}}",
        "REGISTRY": source.of("env").text("REGISTRY"),
    }
    for name, value in wanted.items():
        if not settled or expression(env.text(name)) != expression(value):
            message = f"{name} is {env.text(name) or 'missing'}, so it is not what was published"
            yield wrong(after, "env", message, f"write {name}: {value} below env:")
    for name in sorted(set(env) - {*wanted, "WAIT_MINUTES"}):
        message = f"{name} is another one than that of the steps before"
        yield wrong(after, "env", message, "remove it from env:")
    minutes, most = env.text("WAIT_MINUTES"), job.root.text("timeout-minutes") or "360"
    if not re.fullmatch(MINUTES, minutes) or (most.isdigit() and float(minutes) >= int(most)):
        message = f"WAIT_MINUTES is {minutes or 'missing'}, and the job ends after {most} minutes"
        yield wrong(after, "env", message, "write less, or raise timeout-minutes: of the job")
    if entry is not service.entry:
        message = "the job assumes the role of another entry than that of the service"
        yield wrong(after, "run", message, f"write the entry of the job into {SERVICE}")
    for step in job.assuming():
        if job.input(step, "role-to-assume") != service.account.role(service.entry):
            message = "another role is assumed beside that which may deploy the service"
            yield wrong(step, "role-to-assume", message, "do what needs it in another job")
    platform = job.resolve(after, "${{ env.PLATFORM }}")
    for step in job.using(BUILD):
        if job.input(step, "platforms") != platform:
            message = f"PLATFORM is {platform}, and the image is built for another one"
            yield wrong(step, "platforms", message, "write platforms: ${{ env.PLATFORM }}")
    for why in service.unfit(platform):
        mend = "write PLATFORM: linux/amd64, and runs-on: ubuntu-24.04"
        yield job.finding(after, "run", "service-settings", why, mend)


# The workflows by themselves


def token_by_default(source: Source) -> Iterator[Finding]:
    """What the workflow grants at its top, every job without permissions of its own gets.

    Unless told so, no job can ask for a token: only where a role is assumed the top must be tidy.
    """
    granted = source.root.get("permissions")
    scopes = granted if isinstance(granted, Mapping) else {}
    tidy = granted != "write-all" and scopes.get("id-token") != "write"
    if any(part.input("role-to-assume") for _, part in source.parts()):
        tidy = granted in ("", "read-all") or (scopes is granted and "write" not in scopes.values())
        events = source.root.get("on")
        called = list(events) if isinstance(events, Mapping) else listed(events)
        tidy = tidy or (granted is None and called in ([], ["workflow_call"]))  # or a composite
    if not tidy:
        message = "every job is granted writing here, or what a setting of the repository says"
        mend = "write permissions: {} at the top, and what a job needs in the job"
        line = source.root.line("permissions")
        yield Finding(source.path, line, "least-permissions", message, mend)


def least_permissions(job: Job, needed: bool, account: Account) -> Iterator[Finding]:
    """Nobody can ask for a token but the job that assumes the role, and the jobs that call it."""
    granted = granted_to(job)
    own = granted if isinstance(granted, Mapping) else {}
    own = {key: own[key] for key in own if own[key] != "none"}
    line = job.root.line("permissions") if "permissions" in job.root else job.where[1]
    used = " ".join(step.action() + str(step.of("with").values()) for step in job.steps)
    if needed:
        rights = {"contents": "read", "id-token": "write"}
        checks_out = job.using("actions/checkout") or not job.steps  # a call grants it on
        missing = [
            f"{key}: {rights[key]}"
            for key in rights
            if own.get(key) != rights[key] and (key in own or key != "contents" or checks_out)
        ]
        reasons = {"attestations": "actions/attest", "packages": "ghcr.io"}
        extra = [
            f"{key}: {own[key]}"
            for key in own
            if key not in rights and reasons.get(key, "nothing") not in used
        ]
        message = f"job {job.name} assumes the role"
        message += f" and lacks {', '.join(missing)}, so it would fail" * bool(missing)
        message += f" and has {', '.join(extra)}, which it does not need" * bool(extra)
        mend = "write permissions: {contents: read, id-token: write} in the job, and nothing else"
        if missing or extra:
            yield Finding(job.source.path, line, "least-permissions", message, mend)
    elif own.get("id-token") == "write" or granted == "write-all":
        hidden = any(step.action().startswith("./") for step in job.steps)
        elsewhere = job.assuming() or any(re.match(CONSUMERS, step.action()) for step in job.steps)
        trusted = any(accepted(job, account, entry) for entry in account.entries.values())
        message = f"job {job.name} can ask for an OIDC token and assumes no role that is seen here"
        rule = UNJUDGED if hidden else "least-permissions"
        if granted == "write-all" or not elsewhere or (trusted and not job.assuming()):
            yield Finding(job.source.path, line, rule, message, "remove id-token: write from it")


def accepted(job: Job, account: Account, entry: dict[str, Any]) -> bool:
    """Tell whether a job can present a subject that an entry's role accepts."""
    wanted = entry.get("environment")
    refs_count = ref_counts(account, entry)
    return any(
        value in (UNKNOWN, wanted or "")
        and (not refs_count or any(common(then.ref, ref) for ref in entry["refs"]))
        for run in job.runs
        for value, then in texts(environment_of(job), run, job.known)
    )


def pinned_actions(source: Source, account: Account) -> Iterator[Finding]:
    """A tag can be moved to other code; a full commit SHA cannot (GitHub docs, secure use).

    What a role trusts by its ref may be used by that ref: AWS tests it.
    """
    trusted = {each for entry in account.entries.values() for each in spellings(entry)}
    places = {re.sub(r"\.github/workflows/.*@", "@", each) for each in trusted}
    for _, part in source.parts():
        used, line = part.text("uses"), part.line("uses")
        if not used or used.startswith("./") or used in trusted:
            continue  # of a called workflow its own finding says which ref is trusted
        if not places and source.path == SHARED and "/.github/actions/scripts@" in used:
            continue  # nobody calls it any more, or yet
        if source.path == SHARED and re.sub("[.]github/actions/.*@", "@", used) in places:
            continue  # an action beside that workflow
        written = " ".join(source.text[line - 1 : line + 1]).partition(used)[2]
        # A version may be written as v4, 4.1.0, tag=v4 or ratchet:owner/action@v4.
        commented = re.match(r"""["']?(,[^#]*)?\s*[^\s:]*\s*#.*?\bv?\d""", written)
        image = used.startswith("docker://")
        pinned = re.search("@sha256:[0-9a-f]{64}$" if image else "@[0-9a-fA-F]{40}$", used)
        if not pinned or not (commented or image):
            message = f"{used} is pinned, and no comment says to which version"
            if not pinned:
                message = f"{used} is no full commit SHA, so other code could run under that name"
            mend = "write owner/action@SHA # vVERSION; this shows it: "
            mend += "git ls-remote https://github.com/OWNER/ACTION VERSION"
            yield Finding(source.path, line, "pinned-actions", message, mend)


def injections(source: Source) -> Iterator[Finding]:
    """An expression is pasted into a script before a shell reads it (GitHub docs, secure use)."""
    safe = (
        r"github\.event\.(before|after|action|(repository|sender|organization)\..*|(?!inputs|client)"
        r".*\.(\w*id|number|sha|login|state|conclusion|draft|prerelease|merged|size|created_at))"
    )
    declared = {**source.root.of("on", "workflow_call", "inputs")}
    declared.update(source.root.of("on", "workflow_dispatch", "inputs"))
    typed = {
        f"{start}.{name}".lower()
        for name in declared
        if isinstance(declared[name], Mapping)
        and declared[name].text("type") in ("boolean", "number", "choice")
        for start in ("inputs", "github.event.inputs")
    }
    for job, step in source.parts():
        script = step.text("run")
        if step.action().startswith("actions/github-script@"):
            script = step.input("script")
        script = Job(source, "", job, {}, []).resolve(step, script)
        found = re.findall(r"\$\{\{((?:'[^']*'|[^'])*?)\}\}", script)
        inside = re.sub(r"\[\s*'([\w-]+)'\s*\]", r".\1", " ".join(found).lower())
        inside = re.sub(r"'[^']*'", "", inside)
        for name in sorted(set(re.findall(r"[a-z_][\w-]*(?:\.[\w*-]+)*", inside)) - typed):
            free = re.fullmatch(r"github(\.(head_|base_)?ref(_name)?)?|inputs(\..*)?", name)
            event = re.match(r"github\.event\b", name) and not re.fullmatch(safe, name)
            if free or event:
                message = f"{name} is pasted into the script, so whoever chooses it runs commands"
                line = step.line("run" if "run" in step else "with")
                mend = 'write it into env: and read it as "$NAME"'
                yield Finding(source.path, line, "no-injection", message, mend)


def explicit_choices(job: Job) -> Iterator[Finding]:
    """Provenance is chosen, what is no secret is not kept as one, and no output loses its value."""
    path = job.source.path
    for step in job.using(BUILD):
        if not step.input("provenance") and job.input(step, "push") != "false":
            message = "provenance is not chosen, so the default may turn the image into an index"
            mend = "write provenance: false, or the mode that you want"
            yield job.finding(step, "push", "explicit-provenance", message, mend)
    public = (
        r"((?:\w*_)?(?:ROLE|REGION|REGISTRY|REPOSITORY|ARN|AUDIENCE|ACCOUNT_ID"
        r"|AWS_ACCOUNT)(?:_(?:NAME|ID|URL|URI|ARN|HOST|TO_ASSUME))?)\b"
    )
    for part, key, line, text in job.values():
        aws = part.action().startswith((CREDENTIALS, LOGIN))
        if "secrets" not in text.lower():
            continue
        used = re.search(SECRET + (r"(\w+)" if aws else public), text, re.IGNORECASE)
        if used and not re.search(STORED_KEY, text, re.IGNORECASE):
            message = f"{key} reads the secret {used[1]}, so GitHub blanks it in logs and outputs"
            mend = "write the value itself, or use vars."
            yield Finding(part.path or path, line, "no-secrets", message, mend)
    outputs = job.root.of("outputs")
    writing = {
        step.text("id"): job.resolve(
            step, " ".join([step.text("run"), *map(str, step.of("env").values())])
        )
        for step in job.steps
        if "GITHUB_OUTPUT" in step.text("run")
    }
    for key in outputs:
        text = job.resolve(Mapping(), outputs.text(key))
        text += " ".join(writing[name] for name in writing if f"steps.{name}." in text)
        if re.search(r"outputs(\.|\[')(registry|metadata)\b|\.dkr\.ecr\.|env\.\w*REGISTRY", text):
            message = f"the output {key} holds the registry's host, which GitHub may blank"
            mend = "pass the digest, and compose the name where it is used"
            yield Finding(path, outputs.line(key), "no-registry-output", message, mend)


def buildable(root: Path, job: Job) -> Iterator[Finding]:
    """The Dockerfile that a build names is there, unless a step before may have made it."""
    for step in job.using(BUILD):
        context, file = job.input(step, "context"), job.input(step, "file")
        name = os.path.normpath(file or f"{context or '.'}/Dockerfile")
        before = job.steps[: job.steps.index(step)]
        made = any(Path(name).name in shell(each) for each in before)
        moved = any(
            each.input("path") or each.input("repository") for each in job.using("actions/checkout")
        )
        known = not re.search(r"\$\{\{|://|^/|^-$", f"{context} {file}")
        if known and not (made or moved or (root / name).is_file()):
            message = f"the build reads {name}, which is not there, so nothing could be published"
            mend = (
                "write file: with its path from the root of the repository, e.g. docker/Dockerfile"
            )
            yield job.finding(step, "file", "no-dockerfile", message, mend)


def key_inputs(job: Job) -> Iterator[Finding]:
    """Keys that live for years are what this repository does without."""
    for part, key, line, text in job.values():
        given = key.lower().replace("_", "-") == "aws-access-key-id" and (
            re.search(r"\b(secrets|vars)\b", job.resolve(part, text))
        )
        if given or re.search(STORED_KEY, text, re.IGNORECASE):
            message = f"{key} takes an access key, which works from anywhere until it is rotated"
            mend = "assume the role with role-to-assume, and delete the key in IAM"
            yield Finding(part.path or job.source.path, line, "no-keys", message, mend)


def access_keys(root: Path) -> Iterator[Finding]:
    """No file of the repository holds an access key (AWS docs, IAM, "IAM identifiers")."""
    for name in repository_files(root):
        path = root / name
        if path.is_file() and path.stat().st_size <= LARGEST and os.access(path, os.R_OK):
            data = path.read_bytes()
            match = re.search(rb"\b(?:AKIA|ASIA)(?![A-Z0-9]*EXAMPLE)[A-Z2-7]{16}\b", data)
            if match:
                line = data.count(b"\n", 0, match.start()) + 1
                message = f"{match[0].decode()[:8]}... looks like an access key"
                yield Finding(name, line, "no-keys", message, "remove it, and delete it in IAM")


def repository_files(root: Path) -> list[str]:
    """Return the paths of what Git keeps or would keep; where there is no Git, of all files."""
    if (root / ".git").exists():
        import subprocess

        command = ["git", "-C", str(root), "ls-files", "-zco", "--exclude-standard"]
        try:
            listing = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
            return sorted(set(os.fsdecode(listing).split("\0")) - {""})
        except (OSError, subprocess.SubprocessError):
            pass
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(set(folders) - {".git", ".terraform", ".venv", "node_modules"})
        found += [os.path.relpath(f"{folder}/{name}", root) for name in files]
    return found


# What it prints


def subjects(account: Account) -> dict[str, Any]:
    """Return, for each entry, its role, the subjects that it trusts, and its conditions in full."""
    return {
        key: {
            "github_repository": entry["github_repository"],
            "ecr_repository": entry["ecr_repository"],
            "aws_region": account.region,
            "issuer": f"https://{account.issuer}",
            "role_arn": account.role(entry),
            "subject_prefix": entry.get("subject_prefix"),
            "subjects": claims(account, entry)["sub"],
            "conditions": conditions(account, entry),
            "errors": [f"{attribute} {why}" for attribute, why, _ in entry_errors(account, entry)],
        }
        for key, entry in account.entries.items()
    }


def explain(account: Account) -> Iterator[str]:
    """Yield who may assume each role, with an accepted and a refused example for each rule."""
    for entry in account.entries.values():
        name, refs = entry["github_repository"], entry["refs"]
        prefix = entry.get("subject_prefix") or f"repo:{name}".replace("/", "@ID/") + "@ID"
        refs_count = ref_counts(account, entry)
        yield account.role(entry)
        yield f"  {who(account, entry)}"
        yield from (f"  {guarded(name, ref)}" for ref in refs if refs_count)
        if not entry.get("subject_prefix"):
            yield "  ID stands for the numeric ids, for which GitHub has not been asked yet."
        example = refs[0].replace("*", "1.2.3") if refs else "-"
        context = contexts({**entry, "refs": [example]})[0]
        owner, _, rest = prefix.partition("/")
        good = f"{prefix}:{context}"
        examples = [
            ("repository", good, f"{owner}/other-{rest}:{context}"),
            ("owner", good, f"{owner.replace(':', ':other-', 1)}/{rest}:{context}"),
            ("context", good, f"{prefix}:pull_request"),
            ("case", good, f"{prefix.upper()}:{context}"),
            ("audience", account.audience, f"https://{account.host}/{name.split('/')[0]}"),
            ("issuer", f"https://{account.issuer}", "https://gitlab.com"),
        ]
        examples += [("ref", example, "refs/heads/feature")] * (tests_ref(account, entry))
        called = entry.get("job_workflow_ref") or ""
        examples += [("workflow", called, f"{name}/.github/workflows/deploy.yml")] * bool(called)
        for rule, right, refused in examples:
            yield f"  {rule:<10}  accepted  {right}\n  {'':<10}  refused   {refused}"


def who(account: Account, entry: dict[str, Any]) -> str:
    """Return a sentence that says who may assume an entry's role."""
    name, environment = entry["github_repository"], entry.get("environment")
    words = " or ".join(entry["refs"]).replace("refs/tags/", "a tag ")
    words = words.replace("refs/heads/", "to branch ")
    may = f"whoever may push {words}"
    if environment is not None:
        may = f"whoever may deploy to the environment {environment} (Settings, Environments)"
        limited = f", for {words.replace('to ', '')}"
        may += limited if ref_counts(account, entry) else ", from any ref"
    called = entry.get("job_workflow_ref")
    if called:
        return f"A job of {name} may assume it by {called} alone: {may}."
    return f"A job of {name} may assume it: {may}."


def guarded(name: str, ref: str) -> str:
    """Return a sentence that says whether an active ruleset limits who may push a ref."""
    import subprocess

    def ask(path: str) -> Any:
        command = ["gh", "api", path]
        done = subprocess.run(command, capture_output=True, check=True, timeout=30)
        return json.loads(done.stdout)

    limiting = {"creation"} if ref.startswith("refs/tags/") else {"update", "pull_request"}
    special = {"~ALL": "refs/*", "~DEFAULT_BRANCH": "refs/heads/main"}
    try:
        for number in [item["id"] for item in ask(f"repos/{name}/rulesets")]:
            ruleset = ask(f"repos/{name}/rulesets/{number}")
            if ruleset["enforcement"] != "active":
                continue
            names = ruleset.get("conditions", {}).get("ref_name", {})
            written = [special.get(each, each) for each in names.get("include", [])]
            patterns = [each.replace("**/*", "*").replace("**", "*") for each in written]
            covered = any(within(ref, each) for each in patterns) and not names.get("exclude")
            if covered and limiting & {rule["type"] for rule in ruleset["rules"]}:
                return f"{ref}: the ruleset {ruleset['name']!r} limits who that is."
    except (OSError, subprocess.SubprocessError, ValueError, LookupError, TypeError):
        return f"{ref}: whether a ruleset limits that is not known: gh api repos/{name}/rulesets"
    return f"{ref}: no ruleset limits that; whoever may write to the repository may publish."


def agreed(root: Path) -> str:
    """Return what the workflows agree with; in a service, whether that was fetched."""
    account = account_at(root)
    if account.made_here:
        return "infra/"
    asked = all(entry.get("subject_prefix") for entry in account.entries.values())
    return (
        "infra.json" if asked else "the answers (take infra.json with: make fetch FROM=OWNER/NAME)"
    )


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
    """Judge the repository that this file stands in; return the exit status.<% endraw %>"""
    import argparse

    parser = argparse.ArgumentParser(description="The rules stand in docs/rules.md.")
    commands = ["check", "subjects", "explain"]
    parser.add_argument("command", nargs="?", default="check", choices=commands)
    parser.add_argument("--format", default="text", choices=["text", "github", "json"])
    parser.add_argument("--plan", type=Path, help="what terraform show -json PLAN has written")
    parser.add_argument("--values", type=Path, help=f"what {TFVARS} will say")
    parser.add_argument("--json", action="store_true", help="the only format of subjects")
    options = parser.parse_args(arguments)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    root = Path(__file__).resolve().parent.parent
    try:
        if options.command == "check":
            found = findings(root, options.plan, options.values and options.values.resolve())
            found = sorted([*found, *access_keys(root)])
            if found or options.format == "json":
                report(found, options.format)
            else:
                print(f"Workflows and {agreed(root)} agree: who may publish what, where,", end=" ")
                print("under which tags" + f", and how {SERVICE} runs it" * has_service(root) + ".")
            return 1 if {finding.rule for finding in found} - {UNJUDGED} else 2 if found else 0
        account = account_at(root)
        if options.command == "subjects":
            print(json.dumps(subjects(account), indent=2))
        else:
            os.environ["GH_HOST"] = account.host
            print(*explain(account), sep="\n")
        return int(any(any(entry_errors(account, entry)) for entry in account.entries.values()))
    except CannotJudge as reason:
        message = str(reason)
    except ImportError:
        message = "PyYAML is missing, so no workflow can be read; this installs it: make check"
    if options.format == "text":
        print(message)
    else:
        place = re.match(r"([\w./-]+)(?::(\d+))?:", message)
        where = (place[1], int(place[2] or 1)) if place else (WORKFLOWS, 1)
        report([Finding(*where, UNJUDGED, message, "")], options.format)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
