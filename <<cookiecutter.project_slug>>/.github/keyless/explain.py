"""The commands explain and subjects: who can assume each role, in words and as JSON."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from keyless.console import wrapped
from keyless.gh import Denied, call_github
from keyless.model.account import Account, read_account
from keyless.model.entry_errors import entry_errors, subjects_by_entry
from keyless.model.findings import CannotJudge
from keyless.model.repository import read_repository
from keyless.model.subjects import ref_is_tested, tests_ref_claim, trusted_contexts
from keyless.paths import ROOT
from keyless.programs import Garbled

# Printed where other jobs build what the job with the role pushes.
SEPARATE = (
    "What the separate builds protect: {jobs} run the Dockerfile. They cannot ask for a token, and"
    " have no secrets. So nothing that a Dockerfile or a base image runs can get AWS credentials."
    " The job {publishing} can, but it builds nothing. It pushes an image only if the digest is the"
    " one that its build job reported, and only for the commit of the run.",
    "What they do not protect: a Dockerfile, a base image or another step of a build job can still"
    " put anything into the image. Anyone who can change the workflow at a trusted ref can publish"
    " anything.",
)
PATIENCE = 30  # seconds that GitHub may take for an answer, which nothing depends on


def main() -> int:
    """Print who can assume each role; ask GitHub who can push the trusted refs.

    Returns:
        0, or 1 where Terraform would refuse an entry, or 2 where the values cannot be read.
    """

    def lines(account: Account) -> Iterator[str]:
        os.environ["GH_HOST"] = account.host
        yield from explain_trust(account)
        yield from explain_builds(account, ROOT)

    return _print_of_account(lines)


def print_subjects() -> int:
    """Print as JSON which subjects each role trusts; the exit status is that of `main`."""
    return _print_of_account(lambda account: [json.dumps(subjects_by_entry(account), indent=2)])


def _print_of_account(lines: Callable[[Account], Iterable[str]]) -> int:
    try:
        account = read_account(ROOT)
        print(*lines(account), sep="\n")
    except CannotJudge as reason:
        print(reason)
        return 2
    return int(any(any(entry_errors(account, entry)) for entry in account.entries.values()))


def explain_trust(account: Account) -> Iterator[str]:
    """Yield who can assume each role, with an accepted and a refused example for each rule."""
    for entry in account.entries.values():
        name = entry["github_repository"]
        guarded = entry["refs"] if ref_is_tested(account, entry) else []
        yield account.role(entry)
        texts = [describe_trusted(account, entry), *describe_guards(name, guarded)]
        yield from (wrapped(f"  {each}", "  ") for each in texts)
        if not entry.get("subject_prefix"):
            yield "  ID stands for the numeric ids. GitHub has not been asked for them yet."
        for rule, right, refused in _examples(account, entry):
            yield f"  {rule:<10}  accepted  {right}\n  {'':<10}  refused   {refused}"


def explain_builds(account: Account, root: Path) -> Iterator[str]:
    """Yield what separate build jobs protect; nothing if there are none.

    If a workflow cannot be read, the check reports why.
    """
    try:
        pushing = [each for each in read_repository(root, account).handovers if each.builds]
    except (CannotJudge, ModuleNotFoundError):
        return
    for name in dict.fromkeys(each.job.name for each in pushing):
        builds = [build for each in pushing if each.job.name == name for build in each.builds]
        jobs = " and ".join(dict.fromkeys(build.outer.name for build in builds))
        for text in SEPARATE:
            yield wrapped(text.format(jobs=f"the jobs {jobs}", publishing=name))


def _examples(account: Account, entry: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return what is tested, a value that is accepted and one that is refused, for each test."""
    name, refs = entry["github_repository"], entry["refs"]
    prefix = entry.get("subject_prefix") or f"repo:{name}".replace("/", "@ID/") + "@ID"
    example = refs[0].replace("*", "1.2.3") if refs else "-"
    context = trusted_contexts({**entry, "refs": [example]})[0]
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
    if tests_ref_claim(account, entry):
        examples.append(("ref", example, "refs/heads/feature"))
    if entry.get("job_workflow_ref"):
        own = f"{name}/.github/workflows/deploy.yml"
        examples.append(("workflow", entry["job_workflow_ref"], own))
    return examples


def describe_trusted(account: Account, entry: dict[str, Any]) -> str:
    """Return two sentences that say who can assume an entry's role."""
    name, called = entry["github_repository"], entry.get("job_workflow_ref")
    only = f", but only in {called}" if called else ""
    who = who_may(account, entry)
    return f"Jobs of {name} can assume the role{only}. {who[0].upper()}{who[1:]} can start them."


def who_may(account: Account, entry: dict[str, Any]) -> str:
    """Return in words who can start a job that can assume an entry's role."""
    environment = entry.get("environment")
    words = " or ".join(entry["refs"]).replace("refs/tags/", "a tag ")
    words = words.replace("refs/heads/", "to branch ")
    if environment is None:
        return f"anyone who can push {words}"
    limited = f", for {words.replace('to ', '')}"
    limited = limited if ref_is_tested(account, entry) else ", from any ref"
    where = f"the environment {environment} (Settings, Environments)"
    return f"anyone who can deploy to {where}{limited}"


class Guard(NamedTuple):
    """What GitHub's rulesets do for a trusted ref: names of rulesets, empty where none does."""

    limits: str  # who can create one
    keeps: str  # that one which is made is neither moved nor deleted
    bypassed: bool  # whether somebody can move or delete it anyway


def describe_guards(name: str, refs: list[str]) -> Iterator[str]:
    """Yield for each ref a sentence that says whether an active ruleset limits who can push it.

    GitHub is asked once. If it does not answer, the sentences say so.
    """
    try:
        there = read_rulesets(name) if refs else []
        limits = {ref: guard_of(there, ref).limits for ref in refs}
    except (OSError, Denied, Garbled, LookupError, TypeError):
        unknown = "GitHub did not report whether a ruleset limits who can push it. To look, type: "
        unknown += f"gh api repos/{name}/rulesets"
        yield from (f"{ref}: {unknown}" for ref in refs)
        return
    for ref, found in limits.items():
        says = "no ruleset limits who can push it. Anyone with write access can publish."
        yield f"{ref}: {f'the ruleset {found!r} limits who can push it.' if found else says}"


def read_rulesets(name: str) -> list[Any]:
    """Return the rulesets that hold for a repository on GitHub, with their rules and conditions.

    Raises:
        Denied: GitHub does not tell.
    """
    path = f"repos/{name}/rulesets"
    listed = call_github(f"{path}?per_page=100", seconds=PATIENCE)
    return [call_github(f"{path}/{each['id']}", seconds=PATIENCE) for each in listed]


def guard_of(rulesets: list[Any], ref: str) -> Guard:
    """Return what rulesets do for a ref; `rulesets` are what the REST API answers for each.

    A rule on creation limits a tag; a rule on updates or pull requests limits a branch. A ref is
    kept if nobody can delete it, and nobody can update the tag or force-push the branch.

    Raises:
        LookupError, TypeError: one does not have the documented form.
    """
    covering = [each for each in rulesets if _covers(each, ref)]
    types = {each["name"]: {rule["type"] for rule in each["rules"]} for each in covering}
    tag = ref.startswith("refs/tags/")
    limiting = {"creation"} if tag else {"update", "pull_request"}
    keeping = {"update" if tag else "non_fast_forward", "deletion"}
    limits = [name for name, has in types.items() if has & limiting]
    keepers = [each for each in covering if types[each["name"]] & keeping]
    kept = keeping <= set().union(*types.values())
    names = " and ".join(each["name"] for each in keepers) if kept else ""
    return Guard(limits[0] if limits else "", names, any(map(_may_be_bypassed, keepers)))


def _covers(ruleset: Any, ref: str) -> bool:
    """Tell whether a ruleset of GitHub is active, and holds for all that a trusted ref means."""
    target = "tag" if ref.startswith("refs/tags/") else "branch"
    if ruleset["enforcement"] != "active" or ruleset["target"] != target:
        return False
    names = ruleset.get("conditions", {}).get("ref_name", {})
    patterns = [_as_expression(each) for each in names.get("include", [])]
    covered = all(any(re.fullmatch(each, one) for each in patterns) for one in _stand_for(ref))
    return covered and not names.get("exclude")


def _may_be_bypassed(ruleset: Any) -> bool:
    """Tell whether somebody can bypass a ruleset. GitHub shows all of that only to admins."""
    return bool(ruleset.get("bypass_actors")) or ruleset.get("current_user_can_bypass") == "always"


def _stand_for(ref: str) -> list[str]:
    """Return refs that stand for all that a trusted ref means; in IAM its * goes beyond a slash.

    No pattern has their last character by chance, so one that covers them covers all.
    """
    if not ref.endswith("*"):
        return [ref]
    return [ref[:-1] + name for name in ("\x7f", "/\x7f", "\x7f/\x7f", "\x7f/\x7f/\x7f")]


def _as_expression(pattern: str) -> str:
    """Return the regular expression of a ruleset's pattern.

    It is matched by Ruby's fnmatch with FNM_PATHNAME, so * stops at a slash, and **/ is any number
    of folders [GitHub docs, "Creating rulesets for a repository"].
    """
    special = {"~ALL": ".*", "~DEFAULT_BRANCH": "refs/heads/main"}
    if pattern in special:
        return special[pattern]
    meaning = {"**/": "(?:[^/]+/)*", "?": "[^/]"}
    parts = re.findall(r"\*\*/|\*+|\?|[^*?]+", pattern)
    return "".join(
        "[^/]*" if set(one) == {"*"} else meaning.get(one) or re.escape(one) for one in parts
    )
