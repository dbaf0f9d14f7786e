"""<% raw %>Look whether everything that a release needs is there; read only, one line each.

`make doctor` runs it: ok, or what is wrong and what to type. It exits with 0 only when all is ok.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import check
from folder import uncommitted
from outside import (
    AGAIN,
    INFRA,
    ROOT,
    TOOL,
    Denied,
    Repository,
    account_here,
    actions_disabled,
    admitted,
    audience_missing,
    environment,
    git,
    known,
    own_key,
    page_of,
    policies,
    provider,
    registry,
    repository,
    role,
    run,
    subject_prefix,
    terraform,
    tools,
    wrapped,
)
from publish import Problem, Refused

STORED = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
# How a run ends that is no failure: it goes on, or the job's condition has left it out.
FINE = ("success", "skipped", "in_progress", "queued", "waiting", "pending", "requested")


class Line(NamedTuple):
    """One thing that was looked at: fine, or what to type."""

    name: str
    ok: bool
    text: str
    commands: tuple[str, ...] = ()


class Doctor:
    """What is looked at; each method that yields lines is one concern."""

    def __init__(self, plan: bool) -> None:
        self.account = account_here()
        self.entry = self.account.entries[own_key(self.account)]
        self.name = str(self.entry["github_repository"])
        self.plan = plan
        self.found: Repository | None = None

    def lines(self) -> Iterator[Line]:
        """Yield everything that was found; what cannot be asked is not ok."""
        missing = tools(self.account)
        yield from (Line("tools", False, str(one), one.commands) for one in missing)
        if missing:
            return
        yield Line("tools", True, f"git, gh, aws and {TOOL} are there and logged in")
        concerns = [self.contract, self.provider, self.role, self.registry, self.repository]
        concerns += [self.subject, self.actions, self.environment, self.refs, self.keys]
        concerns += [self.commits, self.deployment]
        for concern in [*concerns, *[self.drift] * self.plan]:
            name = concern.__name__
            try:
                yield from concern()
                if name == "repository" and self.found is None:
                    break  # of all else GitHub has nothing to say
            except check.CannotJudge as reason:
                yield Line(name, False, str(reason), ("make check",))
            except Problem as problem:
                yield Line(name, False, str(problem), problem.commands)
            except Denied as denied:
                yield Line(name, False, f"GitHub refuses to tell: {denied}", ("gh auth status",))
            except Refused as refused:
                lines = ("aws sts get-caller-identity",)
                yield Line(name, False, f"AWS refuses to tell: {refused.said}", lines)

    def repository(self) -> Iterator[Line]:
        """The name, with its case."""
        found = self.found = repository(self.name)
        if found is None:
            yield Line("repository", False, f"GitHub shows no repository {self.name}", (AGAIN,))
            return
        if found.full_name != self.name:
            text = f"GitHub calls {self.name} {found.full_name}: renamed, transferred or other case"
            yield Line("repository", False, text, (AGAIN,))
        elif found.archived:
            text = f"{self.name} is archived, so no workflow runs"
            yield Line("repository", False, text, (f"gh repo unarchive {self.name}",))
        else:
            yield Line("repository", True, page_of(self.name))

    def subject(self) -> Iterator[Line]:
        """What GitHub puts into the subject."""
        found = self.found or repository(self.name)
        if found is None:
            return
        prefix, noted = subject_prefix(found), self.entry.get("subject_prefix")
        if prefix == noted:
            yield Line("subject", True, f"GitHub presents {prefix}")
        else:
            text = f"GitHub presents {prefix}, and {check.TFVARS} has {noted or 'nothing yet'}"
            yield Line("subject", False, text, (AGAIN,))

    def actions(self) -> Iterator[Line]:
        """Whether GitHub Actions run."""
        problem = actions_disabled(self.name)
        if problem:
            raise problem
        yield Line("actions", True, "GitHub Actions run")

    def contract(self) -> Iterator[Line]:
        """What scripts/check.py says."""
        done = run(sys.executable, "scripts/check.py")
        text = done.out.strip() or done.said
        if done.status:
            count = len(re.findall("(?m)^[^ ]", text))
            text = text.splitlines()[0] + f" ({count} in all)" * (count > 1)
        yield Line("contract", done.status == 0, text, ("make check",) if done.status else ())

    def provider(self) -> Iterator[Line]:
        """The account's OIDC identity provider, with the audience."""
        found = provider(self.account)
        if not found:
            text = f"account {self.account.id} has no OIDC identity provider for GitHub"
            yield Line("provider", False, text, (AGAIN,))
            return
        problem = audience_missing(self.account, found)
        if problem:
            raise problem
        yield Line("provider", True, f"GitHub's, with the audience {self.account.audience}")

    def role(self) -> Iterator[Line]:
        """The role, and whether AWS trusts what infra/ says."""
        name, found = self.entry["role_name"], role(self.account, self.entry)
        if not found:
            yield Line("role", False, f"{name} does not exist", (AGAIN,))
            return
        wanted = check.plain(check.trust_statement(self.account, self.entry))
        statements = check.listed(found["AssumeRolePolicyDocument"]["Statement"])
        has = [check.plain({k: v for k, v in one.items() if k != "Sid"}) for one in statements]
        if has == [wanted]:
            yield Line("role", True, f"{found['Arn']} trusts what infra/ says")
            return
        keys = sorted({*wanted}.union(*has))
        differ = [{k: one.get(k) for k in keys if one.get(k) != wanted.get(k)} for one in has]
        text = f"{name} trusts {json.dumps(differ)} in AWS, which is not what infra/ says"
        yield Line("role", False, text, (AGAIN,))

    def registry(self) -> Iterator[Line]:
        """The registry, and whether its tags stay."""
        name, found = self.entry["ecr_repository"], registry(self.account, self.entry)
        if not found:
            yield Line("registry", False, f"{name} does not exist", (AGAIN,))
            return
        written = check.code(check.read(ROOT, check.REGISTRY))
        wanted = re.findall(r'(?m)^\s*image_tag_mutability\s*=\s*"(\w+)"', written)
        has = found["imageTagMutability"]
        if [has] == wanted:
            yield Line("registry", True, f"{found['repositoryUri']}, tags {has}")
        else:
            text = f"tags of {name} are {has}, and infra/ says {' '.join(wanted) or 'nothing'}"
            yield Line("registry", False, text, (AGAIN,))

    def environment(self) -> Iterator[Line]:
        """Whether the environment admits the trusted refs alone."""
        name, refs = self.entry.get("environment"), self.entry["refs"]
        if name is None or not all(re.match("refs/(heads|tags)/", ref) for ref in refs):
            return  # what is no ref is the contract's
        path, settings = environment(self.name, name), f"{page_of(self.name)}/settings"
        there = known(path)
        if there is None:
            yield Line("environment", False, f"{name} does not exist", (AGAIN,))
            return
        limits = admitted(path, there)
        if limits is None:
            text = f"{name} does not say which refs may use it"
            yield Line("environment", False, text, (f"{settings}/environments",))
            return
        have, wanted = (
            sorted(f"{each['type']} {each['name']}" for each in side)
            for side in (limits, policies(refs))
        )
        if have == wanted:
            yield Line("environment", True, f"{name} admits {', '.join(have)}")
        else:
            text = f"{name} admits {', '.join(have) or 'nothing'}, and the role {', '.join(wanted)}"
            yield Line("environment", False, text, (AGAIN, f"{settings}/environments"))

    def refs(self) -> Iterator[Line]:
        """Who may create the trusted refs."""
        for ref in self.entry["refs"]:
            said = check.guarded(self.name, ref)
            limit = f" ({AGAIN} ARGS=--ruleset leaves it to admins)" * ("no ruleset" in said)
            yield Line("refs", True, said + limit)

    def keys(self) -> Iterator[Line]:
        """Long-lived keys that were left behind."""
        places: list[tuple[str, ...]] = [()]
        if self.entry.get("environment") is not None:
            places.append(("--env", self.entry["environment"]))
        left = []
        for place in places:
            done = run("gh", "secret", "list", "--repo", self.name, *place, "--json", "name")
            if done.status and not (place and "HTTP 404" in done.said):
                raise Denied(0, " ".join(done.said.split()))
            names = [each["name"] for each in json.loads(done.out or "[]")]
            left += [(name, *place) for name in names if name in STORED]
        if not left:
            yield Line("keys", True, "no AWS key is stored in the repository's secrets")
        for name, *where in left:
            delete = shlex.join(["gh", "secret", "delete", name, "--repo", self.name, *where])
            text = f"the secret {name} is still set, and a key lives until somebody deactivates it"
            deactivate = (
                "aws iam update-access-key --status Inactive --user-name USER --access-key-id ID"
            )
            yield Line("keys", False, text, (delete, deactivate))

    def commits(self) -> Iterator[Line]:
        """Whether what is here is what GitHub has, and so what a release has."""
        left = uncommitted(3)
        if left:
            text = f"not committed, so a release will not have it: {left}"
            yield Line("commits", False, text, ("git add --all && git commit && git push",))
            return
        done = git("ls-remote", "--heads", f"{page_of(self.name)}.git")
        head = git("rev-parse", "--verify", "--quiet", "HEAD").out.strip()
        if done.status or head not in done.out or not head:
            text = done.said if done.status else "the commits here are not on GitHub"
            yield Line("commits", False, text, ("git push",))
        else:
            yield Line("commits", True, "everything here is committed and on GitHub")

    def deployment(self) -> Iterator[Line]:
        """How the newest run of deploy.yml ended."""
        fields = "conclusion,status,headBranch,url,createdAt"
        command = ("run", "list", "--repo", self.name, "--workflow", "deploy.yml", "--limit", "1")
        done = run("gh", *command, "--json", fields)
        said = " ".join(done.said.split())
        if done.status and not re.search("HTTP 404|could not find any", said):
            raise Denied(0, said)
        if done.status:
            text = f"GitHub has no deploy.yml to run: {said}"
            yield Line("deployment", False, text, (AGAIN,))
            return
        runs: list[dict[str, Any]] = json.loads(done.out)
        if not runs:
            yield Line("deployment", True, "none yet")
            return
        one = runs[0]
        ended = one["conclusion"] or one["status"]
        text = f"{one['headBranch']} at {one['createdAt']}: {ended} ({one['url']})"
        number = one["url"].rpartition("/")[2]
        lines = (f"gh run view {number} --repo {self.name} --log-failed",)
        yield Line("deployment", ended in FINE, text, () if ended in FINE else lines)

    def drift(self) -> Iterator[Line]:
        """Whether AWS has become different from infra/."""
        kept = ["-lockfile=readonly"] * (INFRA / ".terraform.lock.hcl").exists()
        first = terraform("init", "-input=false", *kept)
        done = first if first.status else terraform("plan", "-input=false", "-detailed-exitcode")
        if done.status == 0:
            yield Line("drift", True, "AWS is what infra/ says")
        elif done.status == 2:
            changes = re.findall(r"(?m)^  # ([^(].*)$", done.out) or ["its outputs"]
            text = f"AWS is not what infra/ says: {'; '.join(changes)}"
            yield Line("drift", False, text, (AGAIN,))
        else:
            raise Problem(f"Terraform cannot plan: {' '.join(done.said.split())}", AGAIN)


def look(plan: bool) -> Iterator[Line]:
    """Yield everything that was found, also that the values cannot be read."""
    try:
        yield from Doctor(plan).lines()
    except check.CannotJudge as reason:
        yield Line("values", False, str(reason), ("make check",))
    except Problem as problem:
        yield Line("values", False, str(problem), problem.commands)


def main(plan: bool, machine: bool) -> int:
    """Print what was found; return 0 where all is ok, 1 otherwise.<% endraw %>"""
    found = []
    for one in look(plan):
        found.append(one)
        if not machine:
            text = f"{'ok' if one.ok else '--':<4}{one.name:<13}{one.text}"
            print(wrapped(text, " " * 17), flush=True)
            print(
                *(f"{'':<17}{command}" for command in one.commands),
                sep="\n",
                end="\n" * bool(one.commands),
            )
    if machine:
        print(json.dumps([one._asdict() for one in found], indent=2))
    return int(not all(one.ok for one in found))
