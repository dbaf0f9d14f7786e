"""Explain why the role was refused: what GitHub presents, what infra/ trusts, what to type.

STS answers with the same sentence whichever condition failed. So this asks GitHub for a token of
its own, compares its claims with the trust policy that infra/ leads to, and asks STS once more for
its reason. It prints claims, never the token.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import urllib.parse
import urllib.request

from keyless import paths
from keyless.aws import NoProgram, Refused, run_aws
from keyless.console import Problem, report_problem
from keyless.model.account import read_account
from keyless.model.entry_errors import subjects_by_entry
from keyless.model.findings import CannotJudge
from keyless.release.differences import GIVEN, Claims, Entry, explain_difference
from keyless.release.job_environment import asked_credentials, rerun_command, values_path
from keyless.release.refusal import runner_lacks_aws

PATIENCE = 5  # seconds for GitHub, and for STS


def main() -> int:
    """Print the diagnosis in the log, as an annotation and in the job summary.

    Returns:
        The exit status: always 1, because the job has failed already.
    """
    rows: dict[str, list[str]] = {}
    try:
        entry = trusted_entry()
        rows["infra/ trusts"] = entry["subjects"] or ["no subject: subject_prefix is null"]
        claims: Claims = {}
        answer = "it was not asked"
        if os.environ.get("ACTIONS_ID_TOKEN_REQUEST_URL"):
            token = ask_github(entry)
            claims, answer = token_claims(token), ask_sts(entry, token)
            rows = {"GitHub presents": [claims["sub"]], **rows, "AWS says": [answer]}
        problem = explain_difference(entry, claims, answer)
    except Problem as found:
        problem = found
    except (CannotJudge, OSError, LookupError, ValueError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        problem = Problem(f"The reason cannot be found: {reason}", "make check")
    lines = [f"{name:<15}  {value}" for name, values in rows.items() for value in values]
    print(*lines, sep="\n")
    report_problem(problem, "The role was refused", "\n".join(lines))
    return 1


def trusted_entry() -> Entry:
    """Return what infra/ leads to for the role of this job's registry.

    Raises:
        CannotJudge: what infra/ says cannot be read.
        ValueError: it has no entry with this registry.
    """
    registry = os.environ.get("ECR_REPOSITORY", "")
    for entry in subjects_by_entry(read_account(paths.ROOT)).values():
        if entry["ecr_repository"] == registry:
            return dict(entry)
    raise ValueError(f"{values_path()} has no entry with the ecr_repository {registry!r}")


def ask_github(entry: Entry) -> str:
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
        raise Problem(f"GitHub issued no token: {error}", rerun_command()) from error


def token_claims(token: str) -> Claims:
    """Return the claims of a token, which are its middle part.

    Raises:
        LookupError, TypeError, ValueError: it is no token.
    """
    part = token.split(".")[1]
    decoded = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return {key: " ".join(str(value).split()) for key, value in dict(decoded).items()}


def ask_sts(entry: Entry, token: str) -> str:
    """Return the reason that STS gives, or GIVEN; no credentials are kept.

    It is asked as the job has asked: STS may refuse the name of the session, or its length.

    Raises:
        Problem: there is no AWS CLI.
    """
    asked = asked_credentials()
    command = ["aws", "sts", "assume-role-with-web-identity", "--role-arn", entry["role_arn"]]
    command += ["--role-session-name", asked.get("role-session-name", "GitHubActions")]
    command += ["--duration-seconds", asked.get("role-duration-seconds", "3600")]
    command += ["--query", "AssumedRoleUser.Arn"]
    command += ["--cli-connect-timeout", str(PATIENCE), "--cli-read-timeout", str(PATIENCE)]
    command += ["--region", entry["aws_region"]]
    # The token goes through a pipe: arguments can be seen by every process.
    command += ["--web-identity-token", "file:///dev/stdin"]
    try:
        run_aws(command, token, AWS_MAX_ATTEMPTS="1")
    except NoProgram as missing:
        raise runner_lacks_aws() from missing
    except Refused as refused:
        return refused.said.replace(token, "TOKEN")
    return GIVEN
