#!/usr/bin/env python3
"""<% raw %>Say why the role was refused: what GitHub presents, what the role trusts, and the mend.

STS gives one sentence whichever condition failed. So this asks GitHub for a token of its own,
compares its claims with `check.py subjects`, and asks STS once more for its reason. It prints
claims, never the token. Exit status: 1, as the job has failed already.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from publish import ANEW, CLI, Problem, Refused, append, fail, rerun

CHECK = Path(__file__).resolve().parent / "check.py"
TFVARS = "infra/terraform.tfvars.json"
ISSUER = "token.actions.githubusercontent.com"
PATIENCE = 5  # seconds for GitHub, and for STS


def main() -> int:
    """Print the diagnosis in the log, as an annotation and in the job summary."""
    try:
        entry = trusted()
        shown: dict[str, Any] = {}
        said = ""
        if os.environ.get("ACTIONS_ID_TOKEN_REQUEST_URL"):
            token = ask_github(entry["conditions"])
            shown, said = claims(token), ask_sts(entry, token)
        why, mend = difference(entry, shown, said)
    except (OSError, LookupError, ValueError, subprocess.SubprocessError) as error:
        report({}, f"Why cannot be found out: {error}", "make check, then make apply")
        return 1
    rows = {
        "GitHub presents": [str(shown.get("sub", "no subject"))],
        "The role is to trust": entry["subjects"] or ["nobody: subject_prefix is null"],
        "AWS says": [said or "it was not asked"],
    }
    report(rows, why, mend)
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
    raise ValueError(f"{TFVARS} has no entry with the ecr_repository {registry!r}")


def ask_github(conditions: dict[str, dict[str, list[str]]]) -> str:
    """Return a token for the audience that the role accepts."""
    accepted = [tests[f"{ISSUER}:aud"] for tests in conditions.values() if f"{ISSUER}:aud" in tests]
    url = os.environ["ACTIONS_ID_TOKEN_REQUEST_URL"]
    url += f"&audience={urllib.parse.quote(accepted[0][0])}"
    bearer = {"Authorization": f"bearer {os.environ['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"}
    with urllib.request.urlopen(  # noqa: S310  # the URL is the runner's
        urllib.request.Request(url, headers=bearer),  # noqa: S310
        timeout=PATIENCE,
    ) as answer:
        return str(json.load(answer)["value"])


def claims(token: str) -> dict[str, Any]:
    """Return the claims of a token, its middle part."""
    part = token.split(".")[1]
    decoded = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return dict(decoded)


def ask_sts(entry: dict[str, Any], token: str) -> str:
    """Return the reason that STS gives, empty where it gives the role; no credentials are kept."""
    command = ["aws", "sts", "assume-role-with-web-identity", "--role-arn", entry["role_arn"]]
    command += ["--role-session-name", "diagnosis", "--query", "AssumedRoleUser.Arn"]
    command += ["--cli-connect-timeout", str(PATIENCE), "--cli-read-timeout", str(PATIENCE)]
    command += ["--region", entry["aws_region"]]
    # The token goes through a pipe: arguments can be seen by every process.
    command += ["--web-identity-token", "file:///dev/stdin"]
    done = subprocess.run(
        command,
        input=token,
        env={**os.environ, **CLI, "AWS_MAX_ATTEMPTS": "1"},
        capture_output=True,
        text=True,
    )
    refused = Refused.of(done.stderr.replace(token, "TOKEN"))
    return "" if done.returncode == 0 else f"{refused.code or 'nothing'}: {refused}"


def difference(entry: dict[str, Any], shown: dict[str, Any], said: str) -> tuple[str, str]:
    """Return why the role was refused, and what to type."""
    if not shown:
        why = "The job may not ask GitHub for a token, so it cannot prove who it is."
        return why, "write permissions: {contents: read, id-token: write} in the job " + ANEW
    if "No OpenIDConnect provider" in said:
        why = f"The account has no OIDC identity provider for {ISSUER}."
        return why, f'write "create_oidc_provider": true in {TFVARS}, and type: make apply'
    if "token audience" in said:
        why = "The account's OIDC identity provider does not know the audience of the token."
        return why, "add it to the provider's client IDs, and type: make plan"
    different = subject_differs(entry, shown) or claim_differs(entry, shown)
    if different:
        return different
    if "Expired" in said:
        return "The token has expired before STS saw it.", rerun()
    if not said:
        why = "STS gives the role of infra/ to this job now, so the step before asked for another"
        why += " role, account, region or audience, or STS was not to be reached for a moment."
        return why, f"make check, then: {rerun()}"
    why = "GitHub presents what infra/ trusts, so AWS has something else: make apply was never run,"
    why += (
        f" or not since infra/ has changed, or in another account than that of {entry['role_arn']}."
    )
    return why, "make apply"


def subject_differs(entry: dict[str, Any], shown: dict[str, Any]) -> tuple[str, str] | None:
    """Compare the subject's two parts with the entry: the repository, then the context."""
    name, prefix = str(shown.get("repository")), entry["subject_prefix"]
    again = "make subject apply"
    renamed = f"make subject apply GITHUB_REPOSITORY={name}"
    found = re.fullmatch(r"(repo:[^:]+):(.+)", str(shown.get("sub")))
    if not found:
        why = "The organisation or the repository has customised what the subject holds."
        return why, f"gh api repos/{name}/actions/oidc/customization/sub"
    if prefix is None:
        return "Nobody has asked GitHub yet what the subject begins with.", again
    if found[1] != prefix:
        own, other = (re.sub("@[0-9]+", "", text) for text in (prefix, found[1]))
        if own == other and "@" not in prefix:
            return "The role trusts a subject without numeric ids, and GitHub presents them.", again
        if own == other and "@" not in found[1]:
            return "The role trusts numeric ids, and GitHub presents none.", again
        if own == other:
            why = "The numeric ids are others: the repository was made anew, or its owner was."
            return why, again
        if own.lower() == other.lower():
            return "The name differs in upper and lower case, which counts for IAM.", renamed
        why = f"The repository is {name} now, and the role trusts {own[5:]}: it was renamed,"
        return f"{why} transferred, or generated under another name.", renamed
    return context_differs(entry, found[2])


def context_differs(entry: dict[str, Any], context: str) -> tuple[str, str] | None:
    """Compare what a subject holds behind its prefix with what the role trusts there."""
    subjects = [subject[len(entry["subject_prefix"]) + 1 :] for subject in entry["subjects"]]
    if any(matches(context, wanted) for wanted in subjects):
        return None
    kind, _, value = context.partition(":")
    wanted = " or ".join(subjects)
    if kind == "environment":
        why = f"The job runs in the environment {value}, and the role trusts {wanted}."
        name = json.dumps(value.replace("%3A", ":"))
        return why, f'write "environment": {name} in {TFVARS}, and type: make apply'
    if wanted.startswith("environment:"):
        why = f"The role trusts {wanted}, and the job runs in no environment."
        name = wanted.partition(":")[2].replace("%3A", ":")
        return why, f"write environment: {name} in the job of deploy.yml {ANEW}"
    if kind == "ref":
        return f"The role trusts {wanted}, and the run is for {value}.", publish(subjects)
    return f"The role trusts {wanted}, and not {context}.", publish(subjects)


def claim_differs(entry: dict[str, Any], shown: dict[str, Any]) -> tuple[str, str] | None:
    """Compare the claims that are tested beside the subject."""
    for tests in entry["conditions"].values():
        for key, wanted in tests.items():
            claim = key.rpartition(":")[2]
            value = str(shown.get(claim))
            if claim != "sub" and not any(matches(value, one) for one in wanted):
                why = f"The role tests {claim} for {' or '.join(wanted)}, and it is {value}."
                return why, publish(
                    [f"ref:{one}" for one in wanted]
                ) if claim == "ref" else "make check"
    return None


def matches(value: str, wanted: str) -> bool:
    """Tell whether IAM takes a value: as it is, or up to a * at the end."""
    return value.startswith(wanted[:-1]) if wanted.endswith("*") else value == wanted


def publish(contexts: list[str]) -> str:
    """Return what starts a run that the role trusts."""
    ref = contexts[0].split("/", 2)[-1].replace("*", "0.1.0")
    return f"gh workflow run deploy.yml --ref {ref}"


def report(rows: dict[str, list[str]], why: str, mend: str) -> None:
    """Print what was found out, in the log and in the job summary.<% endraw %>"""
    lines = [f"{name:<20}  {value}" for name, values in rows.items() for value in values]
    print(*lines, why, mend, sep="\n")
    fail(Problem(why, mend), "The role was refused", "\n".join(f"    {line}" for line in lines))
    if "make " in mend and rerun() not in mend:
        append("GITHUB_STEP_SUMMARY", f"Then run it again: `{rerun()}`\n")


if __name__ == "__main__":
    sys.exit(main())
