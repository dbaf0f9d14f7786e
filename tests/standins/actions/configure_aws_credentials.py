"""Assume a role with GitHub's token, as aws-actions/configure-aws-credentials does.

Order, sleeps and messages are those of its src/index.ts and src/helpers.ts. One difference: with
OIDC the original compares allowed-account-ids with nothing; the stand-in does what its README says.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import quote

from tests.standins.actions import aws, step

Result = TypeVar("Result")

NOT_PERMITTED = (
    "It looks like you might be trying to authenticate with OIDC. Did you mean to set the "
    "`id-token` permission? If you are not trying to authenticate with OIDC and the action is "
    "working successfully, you can ignore this message."
)
NO_CREDENTIALS = "Credentials could not be loaded, please check your action inputs: "
UNKNOWN = ("aws-access-key-id", "aws-profile", "force-skip-oidc", "web-identity-token-file")


def with_retry(action: Callable[[], Result], given: dict[str, str], label: str) -> Result:
    """Return what an action returns; try again as long as the inputs allow.

    Raises:
        Refused: no attempt succeeded.
    """
    attempts = max(int(given["retry-max-attempts"] or 0) or 12, 1)
    for attempt in range(attempts):
        try:
            return action()
        except aws.Refused as refused:
            if step.is_true(given["disable-retry"]):
                raise
            delay = random.random() * 50 * 2**attempt  # noqa: S311 - no secret
            said = f"Retry {label}: attempt {attempt + 1} of {attempts} failed: {refused}. "
            print(f"{said}Retrying after {int(delay)}ms.", flush=True)
            time.sleep(delay / 1000)  # after the last attempt, too
            if attempt + 1 == attempts:
                print(f"Retry {label}: reached max retries ({attempts}); giving up.", flush=True)
                raise
    raise AssertionError


def permitted() -> bool:
    """Tell whether the job may ask for a token.

    act gives all jobs one environment; so the names of those with id-token: write come with it.
    """
    jobs = os.environ.get("STAND_IN_TOKEN_JOBS", "").split(",")
    return "ACTIONS_ID_TOKEN_REQUEST_TOKEN" in os.environ and os.environ["GITHUB_JOB"] in jobs


def id_token(audience: str) -> str:
    """Return the token that GitHub signs for this job and an audience."""
    url = f"{os.environ['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience={quote(audience, safe='')}"
    bearer = os.environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
    headers = {"Authorization": f"bearer {bearer}"}
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - http on purpose
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            token: str = json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        with error:
            raise aws.Refused(f"Failed to get ID Token. Error Code: {error.code}") from None
    except OSError as error:
        raise aws.Refused(f"Failed to get ID Token. {error}") from None
    for value in (bearer, token):
        step.secret(value)
    return token


def assume(given: dict[str, str], session: str, token: str) -> aws.Credentials:
    """Return the role's credentials for a token; without one, for those of the environment."""
    parameters = {
        "RoleArn": given["role-to-assume"],
        "RoleSessionName": session,
        "DurationSeconds": given["role-duration-seconds"] or "3600",
    }
    if given["inline-session-policy"]:
        parameters["Policy"] = given["inline-session-policy"]
    action, how, signed = "AssumeRole", "with user credentials", None
    if token:
        action, how = "AssumeRoleWithWebIdentity", "with OIDC"
        parameters["WebIdentityToken"] = token
    else:
        signed = aws.Credentials.of_environment()
    try:
        answer = aws.sts(action, given["aws-region"], parameters, signed)
    except aws.Refused as refused:
        raise aws.Refused(f"Could not assume role {how}: {refused}") from None
    credentials = aws.Credentials(
        answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"]
    )
    for value in credentials:
        step.secret(value)
    print(f"Authenticated as assumedRoleId {answer['AssumedRoleId']}")
    return credentials


def whoami(region: str, credentials: aws.Credentials) -> dict[str, str]:
    """Return account and ARN of the role; the original looks for its credentials as any SDK does.

    Raises:
        Refused: a profile is named, so the SDK passes over what the environment holds.
    """
    if os.environ.get("AWS_PROFILE"):
        credentials = aws.Credentials.of_environment()
    return aws.sts("GetCallerIdentity", region, {}, credentials)


def no_credentials() -> None:
    """Look for credentials where no token is asked for: a hosted runner has none of its own."""
    try:
        aws.Credentials.of_environment()
    except aws.Refused as refused:
        raise aws.Refused(f"{NO_CREDENTIALS}{refused}") from None


def checked() -> tuple[dict[str, str], str]:
    """Return the inputs and the name of the session; what the original refuses, ends the step."""
    given = step.inputs()
    for name in UNKNOWN:
        if given[name] and given[name] != "false":
            step.fail(f"The stand-in for configure-aws-credentials does not know the input {name}")
    if not re.fullmatch(r"[a-z0-9-]+", given["aws-region"]):
        step.fail(f"Region is not valid: {given['aws-region']}")
    session = given["role-session-name"] or "GitHubActions"
    if not 2 <= len(session) <= 64:
        step.fail(
            f"Role session name must be between 2 and 64 characters, got {len(session)}: "
            f"'{session}'"
        )
    if not re.fullmatch(r"[\w+=,.@-]*", session, re.ASCII):
        step.fail(
            f"Role session name is not valid: '{session}'. Must satisfy regular expression "
            r"pattern: [\w+=,.@-]*"
        )
    return given, session


def limit(seconds: int) -> None:
    """End the step after some seconds, as the input action-timeout-s says; 0 is no limit."""

    def late(*_: object) -> None:
        step.fail(f"Action timed out after {seconds} seconds")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)


def main() -> None:
    """Give the credentials of the role to the later steps of the job."""
    given, session = checked()
    limit(int(given["action-timeout-s"] or 0))
    region = given["aws-region"]
    to_environment = given["output-env-credentials"] != "false"
    if to_environment:
        step.export("AWS_DEFAULT_REGION", region)
        step.export("AWS_REGION", region)
    try:
        chaining = step.is_true(given["role-chaining"])  # the role is assumed by an earlier one
        if not chaining and not permitted():
            print(NOT_PERMITTED, flush=True)
        if chaining or not permitted():
            with_retry(no_credentials, given, "validateCredentials")
        token = (
            "" if chaining else with_retry(lambda: id_token(given["audience"]), given, "getIDToken")
        )
        credentials = with_retry(lambda: assume(given, session, token), given, "AssumeRole")
        identity = with_retry(lambda: whoami(region, credentials), given, "exportAccountId")
    except aws.Refused as refused:
        step.fail(str(refused))
    hand_over(given, credentials, identity, to_environment)


def hand_over(
    given: dict[str, str],
    credentials: aws.Credentials,
    identity: dict[str, str],
    to_environment: bool,
) -> None:
    """Write variables and outputs, unless the account is not one that was expected."""
    account, allowed = identity["Account"], step.listed(given["allowed-account-ids"])
    if allowed and account not in allowed:
        step.fail(f"The account ID of the provided credentials ({account}) does not match any of "
                  f"the expected account IDs: {', '.join(allowed)}")  # fmt: skip
    names = ("aws-access-key-id", "aws-secret-access-key", "aws-session-token")
    for name, value in zip(names, credentials, strict=True):
        if to_environment:
            step.export(name.upper().replace("-", "_"), value)
        if step.is_true(given["output-credentials"]):
            step.output(name, value)
    if to_environment:
        step.output("aws-account-id", account)
        step.output("authenticated-arn", identity["Arn"])


if __name__ == "__main__":
    main()
