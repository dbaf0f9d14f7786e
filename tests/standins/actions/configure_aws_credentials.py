"""Assume a role with GitHub's token, as aws-actions/configure-aws-credentials does.

Order, sleeps and messages are those of its src/index.ts and src/helpers.ts, also where its README
says something else: with OIDC it compares allowed-account-ids with nothing, and a step that fails
stays alive until the timer of action-timeout-s ends it.
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
from typing import NoReturn, TypeVar
from urllib.parse import quote

from tests.standins.actions import aws, step

Result = TypeVar("Result")

NOT_PERMITTED = (
    "It looks like you might be trying to authenticate with OIDC. Did you mean to set the "
    "`id-token` permission? If you are not trying to authenticate with OIDC and the action is "
    "working successfully, you can ignore this message."
)
NO_CREDENTIALS = "Credentials could not be loaded, please check your action inputs: "
KNOWN = (
    *("action-timeout-s", "allowed-account-ids", "audience", "aws-region", "disable-retry"),
    *("inline-session-policy", "output-credentials", "output-env-credentials"),
    *("retry-max-attempts", "role-chaining", "role-duration-seconds", "role-session-name"),
    *("role-to-assume", "mask-aws-account-id", "role-skip-session-tagging"),  # no tags with OIDC
)


def with_retry(action: Callable[[], Result], given: dict[str, str], label: str) -> Result:
    """Return what an action returns; try again as long as the inputs allow.

    Raises:
        Refused: no attempt succeeded.
    """
    attempts = max(number(given["retry-max-attempts"]) or 12, 1)
    once = step.is_true(given, "disable-retry")
    for attempt in range(attempts):
        try:
            return action()
        except aws.Refused as refused:
            if once:
                raise
            delay = random.random() * 50 * 2**attempt  # noqa: S311 - no secret
            said = f"Retry {label}: attempt {attempt + 1} of {attempts} failed: {refused}. "
            print(f"{said}Retrying after {int(delay)}ms.", flush=True)
            time.sleep(delay / 1000)  # after the last attempt, too
            if attempt + 1 == attempts:
                print(f"Retry {label}: reached max retries ({attempts}); giving up.", flush=True)
                raise
    raise AssertionError


def number(text: str) -> int:
    """Return what Number.parseInt makes of a text, and 0 if it makes nothing of it."""
    found = re.match(r"[+-]?\d+", text)
    return int(found[0]) if found else 0


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


def validate(given: dict[str, str]) -> None:
    """Look for credentials and compare their account, where no token is asked for.

    A hosted runner has none of its own; those of a step before may be there.
    """
    try:
        credentials = aws.Credentials.of_environment()
    except aws.Refused as refused:
        raise aws.Refused(f"{NO_CREDENTIALS}{refused}") from None
    allowed = [each.strip() for each in given["allowed-account-ids"].split(",")]
    account = aws.sts("GetCallerIdentity", given["aws-region"], {}, credentials)["Account"]
    if allowed != [""] and account not in allowed:
        raise aws.Refused(
            f"The account ID of the provided credentials ({account}) does not match any of "
            f"the expected account IDs: {', '.join(allowed)}"
        )


def checked(given: dict[str, str]) -> str:
    """Return the name of the session; what the original refuses, ends the step."""
    step.only("configure-aws-credentials", given, *KNOWN)
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
    return session


class TimedOut(SystemExit):
    """The timer of action-timeout-s has ended the step."""


def limit(seconds: int) -> None:
    """Set the timer that ends the step."""

    def late(*_: object) -> NoReturn:
        try:
            step.fail(f"Action timed out after {seconds} seconds")
        except SystemExit as ended:
            raise TimedOut(ended.code) from None

    print(f"Setting a global timeout of {seconds} seconds for the action", flush=True)
    signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)


def main() -> None:
    """Assume the role, within the seconds of action-timeout-s if it has any.

    The original clears its timer only if it succeeds. After an error node waits for the timer.
    """
    given = step.inputs()
    seconds = number(given["action-timeout-s"])
    if seconds > 0:
        limit(seconds)
    try:
        assume_role(given)
    except TimedOut:
        raise
    except SystemExit:
        if seconds > 0:
            signal.pause()
        raise
    signal.alarm(0)


def assume_role(given: dict[str, str]) -> None:
    """Give the credentials of the role to the later steps of the job."""
    session, region = checked(given), given["aws-region"]
    to_environment = step.is_true(given, "output-env-credentials", default=True)
    if to_environment:
        step.export("AWS_DEFAULT_REGION", region)
        step.export("AWS_REGION", region)
    chaining = step.is_true(given, "role-chaining")  # the role is assumed by an earlier one
    if not chaining and not permitted():
        print(NOT_PERMITTED, flush=True)
    try:
        token = ""
        if not chaining and permitted():
            token = token_of(given)
        elif to_environment or not chaining:
            with_retry(lambda: validate(given), given, "validateCredentials")
        credentials = with_retry(lambda: assume(given, session, token), given, "AssumeRole")
        hand_over(given, credentials, to_environment)
        if to_environment:
            identity = with_retry(lambda: whoami(region, credentials), given, "exportAccountId")
            step.output("aws-account-id", identity["Account"])
            step.output("authenticated-arn", identity["Arn"])
    except aws.Refused as refused:
        step.fail(str(refused))


def token_of(given: dict[str, str]) -> str:
    """Return GitHub's token, asked for as often as the inputs allow."""
    try:
        return with_retry(lambda: id_token(given["audience"]), given, "getIDToken")
    except aws.Refused as refused:
        raise aws.Refused(f"getIDToken call failed: {refused}") from None


def hand_over(given: dict[str, str], credentials: aws.Credentials, to_environment: bool) -> None:
    """Write the credentials to variables and outputs, before they have been used once."""
    names = ("aws-access-key-id", "aws-secret-access-key", "aws-session-token")
    to_outputs = step.is_true(given, "output-credentials")
    for name, value in zip(names, credentials, strict=True):
        if to_environment:
            step.export(name.upper().replace("-", "_"), value)
        if to_outputs:
            step.output(name, value)


if __name__ == "__main__":
    main()
