#!/usr/bin/env python3
"""<% raw %>Say why the role was refused: what GitHub presents, what infra/ trusts, and the mend.

STS gives one sentence whichever condition failed. So this asks GitHub for a token of its own,
compares its claims with `check.py subjects`, and asks STS once more for its reason. It prints
claims, never the token. Exit status: 1, as the job has failed already.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from publish import (
    ENTRIES,
    TFVARS,
    Problem,
    Refused,
    applied,
    aws,
    bootstrap,
    fail,
    infra,
    new,
    rerun,
)

CHECK = Path(__file__).resolve().parent / "check.py"
VALUES = "infra/terraform.tfvars.json" + infra().removeprefix("infra/")
GIVEN = "it gives the role"
PATIENCE = 5  # seconds for GitHub, and for STS


def main() -> int:
    """Print the diagnosis in the log, as an annotation and in the job summary; return 1."""
    rows: dict[str, list[str]] = {}
    try:
        entry = trusted()
        shown: dict[str, Any] = {}
        said = "it was not asked"
        rows["infra/ trusts"] = entry["subjects"] or ["nobody: subject_prefix is null"]
        if os.environ.get("ACTIONS_ID_TOKEN_REQUEST_URL"):
            token = ask_github(entry)
            shown, said = claims(token), ask_sts(entry, token)
            rows = {"GitHub presents": [shown["sub"]], **rows, "AWS says": [said]}
        problem = difference(entry, shown, said)
    except Problem as found:
        problem = found
    except (LookupError, ValueError, TypeError, subprocess.SubprocessError) as error:
        problem = Problem(f"Why cannot be found out: {error}", "make check")
    lines = [f"{name:<15}  {value}" for name, values in rows.items() for value in values]
    print(*lines, sep="\n")
    fail(problem, "The role was refused", "\n".join(lines))
    return 1


def trusted() -> dict[str, Any]:
    """Return what scripts/check.py derives for the role of this job's registry."""
    done = subprocess.run(
        [sys.executable, str(CHECK), "subjects", "--json"], capture_output=True, text=True
    )
    if not done.stdout.startswith("{"):
        raise ValueError(" ".join((done.stdout + done.stderr).split()) or "check.py says nothing")
    entries: dict[str, Any] = json.loads(done.stdout)
    registry = os.environ.get("ECR_REPOSITORY", "")
    for entry in entries.values():
        if entry["ecr_repository"] == registry:
            return dict(entry)
    raise ValueError(f"{ENTRIES} has no entry with the ecr_repository {registry!r}")


def ask_github(entry: dict[str, Any]) -> str:
    """Return a token for the audience that the role accepts.

    Raises:
        Problem: GitHub gives none.
    """
    audience = f"{entry['issuer'][8:]}:aud"  # a condition key is the issuer without https://
    accepted = [tests[audience] for tests in entry["conditions"].values() if audience in tests]
    url = os.environ["ACTIONS_ID_TOKEN_REQUEST_URL"]
    url += f"&audience={urllib.parse.quote(accepted[0][0])}"
    bearer = {"Authorization": f"bearer {os.environ['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"}
    try:
        with urllib.request.urlopen(  # noqa: S310  # the URL is the runner's
            urllib.request.Request(url, headers=bearer),  # noqa: S310
            timeout=PATIENCE,
        ) as answer:
            return str(json.load(answer)["value"])
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
        raise Problem(f"GitHub gave no token: {error}", rerun()) from error


def claims(token: str) -> dict[str, Any]:
    """Return the claims of a token, its middle part; text in one line."""
    part = token.split(".")[1]
    decoded = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return {key: " ".join(str(value).split()) for key, value in dict(decoded).items()}


def ask_sts(entry: dict[str, Any], token: str) -> str:
    """Return the reason that STS gives; no credentials are kept."""
    command = ["aws", "sts", "assume-role-with-web-identity", "--role-arn", entry["role_arn"]]
    command += ["--role-session-name", "diagnosis", "--query", "AssumedRoleUser.Arn"]
    command += ["--cli-connect-timeout", str(PATIENCE), "--cli-read-timeout", str(PATIENCE)]
    command += ["--region", entry["aws_region"]]
    # The token goes through a pipe: arguments can be seen by every process.
    command += ["--web-identity-token", "file:///dev/stdin"]
    try:
        aws(command, token, AWS_MAX_ATTEMPTS="1")
    except Refused as refused:
        return refused.said.replace(token, "TOKEN")
    return GIVEN


def difference(entry: dict[str, Any], shown: dict[str, Any], said: str) -> Problem:
    """Return why the role was refused, and what to type."""
    if not shown:
        message = "The job may not ask GitHub for a token, so it cannot prove who it is."
        return edited(message, "permissions: {contents: read, id-token: write}")
    if said == GIVEN:
        return Problem(
            "The role is given to this job now: it was probably created or changed a moment ago, so"
            " run it again. If that does not help, deploy.yml asks for another role, region or"
            " account than infra/ has, which make check names.",
            rerun(),
            "make check",
        )
    if entry["subject_prefix"] is None:
        name = shown.get("repository", "")
        name = "" if name == entry["github_repository"] else name
        return asked("Nobody has asked GitHub yet what the subject begins with.", name)
    if entry["errors"]:
        message = f"Terraform refuses what {ENTRIES} says: {entry['errors'][0]}."
        return Problem(message, "make check")
    return (
        provider_missing(entry, shown, said)
        or subject_differs(entry, shown)
        or claim_differs(entry, shown)
        or nothing_differs(entry, said)
    )


def provider_missing(entry: dict[str, Any], shown: dict[str, Any], said: str) -> Problem | None:
    """Judge the account's OIDC identity provider, which STS looks for first."""
    wanted, issuer = entry["issuer"], str(shown.get("iss", entry["issuer"]))
    if issuer != wanted:
        message = f"The tokens come from {issuer}, and infra/ trusts those of {wanted}. An"
        message += f' enterprise may have its own: write "oidc_issuer": "{issuer}" in {VALUES}.'
        return Problem(message, *applied())
    if "token audience" in said:
        message = "The account's OIDC identity provider does not know the audience of the token."
        return Problem(f"{message} Add it to the provider's client IDs.", "make doctor")
    if "No OpenIDConnect provider" not in said:
        return None
    account = entry["role_arn"].split(":")[4]
    message = f"The account {account} has no OIDC identity provider for GitHub: "
    if json.loads(TFVARS.read_text(encoding="utf-8")).get("create_oidc_provider", True):
        message += "make bootstrap was not run there, or not to its end."
    else:
        message += f'write "create_oidc_provider": true in {VALUES}, and apply that.'
    return Problem(message, *applied())


def nothing_differs(entry: dict[str, Any], said: str) -> Problem:
    """Say what is left where GitHub presents what infra/ trusts."""
    if "Expired" in said:
        message = "The token was too old when AWS read it: a delay, or a clock that is wrong."
        return Problem(message, rerun())
    if "AccessDenied" not in said:
        return Problem(f"STS could not judge the token: {said}", rerun())
    return Problem(
        "GitHub presents what infra/ trusts, so AWS has something else: make bootstrap was never"
        " run, or not since infra/ has changed, or in another account than that of"
        f" {entry['role_arn']}.",
        *applied(),
    )


def subject_differs(entry: dict[str, Any], shown: dict[str, Any]) -> Problem | None:
    """Compare the subject's two parts with the entry: the repository, then the context."""
    name, prefix = shown.get("repository", "?"), entry["subject_prefix"]
    found = re.fullmatch(r"(repo:[^:]+):(environment:[^:]+|pull_request|ref:(.+))", shown["sub"])
    if not found or found[3] not in (None, shown.get("ref")):
        message = "The organisation or the repository has customised what the subject holds, so it"
        message += " cannot be trusted as it is. GitHub says what:"
        return Problem(message, f"gh api repos/{name}/actions/oidc/customization/sub")
    if found[1] == prefix:
        return context_differs(entry, found[2])
    own, other = (re.sub("@[0-9]+", "", text) for text in (prefix, found[1]))
    ids, now = (re.findall("@([0-9]+)", text) for text in (prefix, found[1]))
    same = ids[1:] == now[1:]  # a renamed or transferred repository keeps its id
    if own == other and not now:
        return asked("The role trusts numeric ids, and GitHub presents none.")
    if own == other and not ids:
        return asked("GitHub presents the numeric ids, and the role trusts none.")
    if own == other:
        what = "it belongs to a new owner" if same else "it was deleted and created again"
        message = f"The repository has the same name and other ids: {what}."
        return asked(message, "" if same else name)
    if own.lower() == other.lower():
        return asked("The name differs in upper and lower case, which counts.")
    if not ids:  # nobody can tell
        message = f"This is {name}, and the role trusts {own[5:]}. Type this only if it was renamed"
        message += " or transferred: a fork or a copy must not be given the role."
        return asked(message, name)
    if same:
        message = f"The repository is {name} now, and the role trusts {own[5:]}: it was renamed or"
        return asked(f"{message} transferred.")
    here = now[1] if now else "unknown"
    return Problem(
        f"This is {name} (id {here}), and the role trusts {own[5:]} (id {ids[1]}): another"
        " repository, such as a fork or a copy, which is not given the role. Publish from there, or"
        " generate this one with its own answers.",
        f"gh repo view {own[5:]}",
    )


def context_differs(entry: dict[str, Any], context: str) -> Problem | None:
    """Compare what a subject holds behind its prefix with what the role trusts there."""
    subjects = [subject[len(entry["subject_prefix"]) + 1 :] for subject in entry["subjects"]]
    if any(matches(context, wanted) for wanted in subjects):
        return None
    kind, _, value = context.partition(":")
    wanted = " or ".join(subjects)
    if kind == "environment":
        name = json.dumps(value.replace("%3A", ":"), ensure_ascii=False)
        return Problem(
            f"The job runs in the environment {name}, and the role trusts {wanted}. Write"
            f' "environment": {name} in {VALUES} and apply that, or remove environment: from'
            " deploy.yml and publish a new version.",
            *applied(),
        )
    if wanted.startswith("environment:"):
        name = wanted.partition(":")[2].replace("%3A", ":")
        message = f"The role trusts {wanted}, and the job runs in no environment."
        return edited(message, f"environment: {json.dumps(name, ensure_ascii=False)}")
    message = f"The role trusts {wanted}, and the run is for {value or context}."
    if any(matches(context.lower(), one.lower()) for one in subjects):
        message += " Upper and lower case count."
    return Problem(message, publish(subjects))


def claim_differs(entry: dict[str, Any], shown: dict[str, Any]) -> Problem | None:
    """Compare the claims that are tested beside the subject."""
    for tests in entry["conditions"].values():
        for key, wanted in tests.items():
            claim = key.rpartition(":")[2]
            value = shown.get(claim, "missing")
            if claim != "sub" and not any(matches(value, one) for one in wanted):
                message = f"The role tests {claim} for {' or '.join(wanted)}, and it is {value}."
                if claim == "job_workflow_ref":
                    return edited(message, f"uses: {re.sub('@refs/(heads|tags)/', '@', wanted[0])}")
                return Problem(message, publish(wanted) if claim == "ref" else "make check")
    return None


def matches(value: str, wanted: str) -> bool:
    """Tell whether IAM takes a value: as it is, or up to a * at the end."""
    return value.startswith(wanted[:-1]) if wanted.endswith("*") else value == wanted


def publish(refs: list[str]) -> str:
    """Return what starts a run that the role trusts."""
    ref = re.sub("^(ref:)?refs/(tags|heads)/", "", refs[0])
    return f"gh workflow run deploy.yml --ref {re.sub('[*]$', 'TAG', ref)}"


def asked(message: str, name: str = "") -> Problem:
    """Return a problem that is mended by asking GitHub; a name says that this one is meant."""
    return Problem(message, bootstrap(f"--repository {name}" * bool(name)), rerun())


def edited(message: str, line: str) -> Problem:
    """Return a problem that is mended in deploy.yml: a re-run has the old one.<% endraw %>"""
    message += f" Write this in the job of deploy.yml, commit it, and publish a new version: {line}"
    return Problem(message, new("main"))


if __name__ == "__main__":
    sys.exit(main())
