"""What an error of GitHub or AWS means, and what to do about it.

Typing the same command again helps only if something has changed before.
"""

from __future__ import annotations

import os
import re

from keyless.aws import Refused
from keyless.console import Problem
from keyless.gh import Denied, github_host
from keyless.setup.credentials import KEYS

GITHUB_STATUS = "https://www.githubstatus.com"
IDENTITY = "aws sts get-caller-identity"


def meaning(error: Denied | Refused) -> Problem:
    """Return what an error of GitHub or AWS means, and what to type before it is tried again."""
    return of_github(error) if isinstance(error, Denied) else of_aws(error)


def of_github(denied: Denied) -> Problem:
    """Return what an error of GitHub means, and what to type."""
    said = str(denied)
    for pattern, explain in (
        ("SAML", _single_sign_on),
        ("rate limit|abuse", _too_many_questions),
        ("not accessible by", _narrow_token),
        ("[Aa]dmin rights", _admins_alone),
    ):
        if re.search(pattern, said):
            return explain(said)
    if denied.status == 401:
        return Problem(f"You have no valid login to GitHub: {said}", *login_to_github())
    if denied.status == 0 or denied.status >= 500:
        message = (
            f"GitHub cannot be reached: {said.rstrip('.')}. Check the network and GitHub's status:"
        )
        return Problem(message, GITHUB_STATUS)
    return Problem(
        f"GitHub refused the request: {said}. To see which login you use:", "gh auth status"
    )


def publishing_refused(denied: Denied, version: str, anew: str) -> Problem:
    """Return why GitHub does not take a version, and what to type.

    Args:
        denied: what GitHub says of the release, or of the tag that was pushed.
        version: its tag.
        anew: what publishes another version.
    """
    said = str(denied)
    if "immutable release" in said:
        message = (
            f"GitHub refused {version}, because this tag belonged to an immutable release, and"
        )
        return Problem(
            f"{message} can never be used again ({said}). Publish another version:", anew
        )
    if re.search("rule violations|creations being restricted", said):
        message = f"GitHub refused {version}, because a ruleset lets only some people create this"
        message += f" tag ({said}). Ask one of them to publish it. To see the ruleset:"
        return Problem(message, "make doctor")
    if "not accessible by" in said:
        message = f"The token that gh uses does not have permission to publish {version}: {said}."
        message += " Give it write access to Contents, or log in as yourself:"
        return Problem(message, *login_to_github())
    return of_github(denied)


def _single_sign_on(said: str) -> Problem:
    message = f"The organisation requires single sign-on (SAML): {said}"
    return Problem(f"{message} Authorise your login:", *with_own_login("gh auth refresh"))


def _too_many_questions(said: str) -> Problem:
    message = (
        f"Your login has made too many requests, so GitHub does not answer for a while: {said}"
    )
    return Problem(f"{message} To see when it answers again:", "gh api rate_limit")


def _narrow_token(said: str) -> Problem:
    message = f"The token that gh uses does not have permission for this request: {said}. Give it"
    message += " the permission Administration, or log in as yourself:"
    return Problem(message, *login_to_github())


def _admins_alone(said: str) -> Problem:
    return Problem(f"Only admins of the repository can see this ({said}). Ask one of them.")


def login_to_github() -> tuple[str, ...]:
    """Return what to type to log in to GitHub."""
    return with_own_login("gh auth login --scopes workflow")


def with_own_login(command: str) -> tuple[str, ...]:
    """Return the commands that log in with gh; they unset tokens, which would come first."""
    where = f" --hostname {github_host()}" * (github_host() != "github.com")
    return (*unset("GH_TOKEN", "GITHUB_TOKEN"), f"{command}{where}")


def unset(*names: str) -> tuple[str, ...]:
    """Return the command that unsets variables in a shell; none if none of them is set."""
    given = [name for name in names if os.environ.get(name)]
    return (f"unset {' '.join(given)}",) if given else ()


def of_aws(refused: Refused) -> Problem:
    """Return what an error of AWS, or of its CLI, means, and what to type."""
    said, code = refused.said.rstrip("."), refused.code
    unknown = "Expired|Token|Signature|UnrecognizedClient"  # codes for invalid credentials
    if re.search(unknown if code else "xpired|SSO|aws login|locate credentials", code or said):
        return Problem(f"You have no valid AWS credentials: {said}", *login_to_aws(said))
    if "profile" in said and "could not be found" in said:
        lines = ("aws configure list-profiles", "export AWS_PROFILE=NAME")
        return Problem(f"The AWS profile does not exist: {said}. Choose another one:", *lines)
    if re.search("AccessDenied|Unauthorized|NotAuthorized", code):
        message = (
            f"Your AWS user or role does not have permission for this: {said}. All actions that"
        )
        message += (
            " it needs are listed in .github/keyless/docs/permissions.md. Ask an administrator"
        )
        return Problem(f"{message} of the account for them. To see who you are:", IDENTITY)
    if re.search("^$|Throttl|TooMany|Unavailable|InternalFailure", code):
        page = "https://health.aws.amazon.com/health/status"
        return Problem(
            f"AWS did not answer: {said}. Check the network and the status of AWS:", page
        )
    return Problem(f"AWS refused the request: {said}. To see who you are:", IDENTITY)


def login_to_aws(said: str) -> tuple[str, ...]:
    """Return the commands that log in to AWS; they unset keys, which would come first."""
    if "aws login" in said:
        return (*unset(*KEYS), "aws login")
    single = "xpired" in said or "SSO" in said
    return (*unset(*KEYS), "aws sso login" if single else "aws configure")
