"""What an error of GitHub or AWS means, and what changes it.

Typing the same command again is a remedy only where time or a person has changed something before.
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
        return Problem(f"GitHub does not know who you are: {said}", *login_to_github())
    if denied.status == 0 or denied.status >= 500:
        message = (
            f"GitHub cannot be reached: {said.rstrip('.')}. Is there a network, and is GitHub up?"
        )
        return Problem(message, GITHUB_STATUS)
    return Problem(f"GitHub refuses: {said}. This shows as whom you ask:", "gh auth status")


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
            f"GitHub refuses {version}: it was the tag of a release that is locked, and no other"
        )
        return Problem(f"{message} release can have it ({said}). Publish another version:", anew)
    if re.search("rule violations|creations being restricted", said):
        message = (
            f"GitHub refuses {version}: a ruleset lets only some people create this tag ({said})."
        )
        message += " Ask one of them to publish it. This shows the ruleset:"
        return Problem(message, "make doctor")
    if "not accessible by" in said:
        message = (
            f"The token that gh uses may not publish {version}: {said}. Let it write Contents,"
        )
        return Problem(f"{message} or log in as yourself:", *login_to_github())
    return of_github(denied)


def _single_sign_on(said: str) -> Problem:
    message = f"The organisation wants single sign-on (SAML) before it answers: {said}"
    return Problem(f"{message} Authorise your login for it:", *with_own_login("gh auth refresh"))


def _too_many_questions(said: str) -> Problem:
    message = f"GitHub answers no more questions of this login for a while: {said}"
    return Problem(f"{message} This shows when it does again:", "gh api rate_limit")


def _narrow_token(said: str) -> Problem:
    message = f"The token that gh uses may not ask this: {said}. Give the token the permission"
    message += " Administration, or log in as yourself:"
    return Problem(message, *login_to_github())


def _admins_alone(said: str) -> Problem:
    return Problem(f"Only admins of the repository may ask this ({said}). Ask one of them.")


def login_to_github() -> tuple[str, ...]:
    """Return what to type to log in to GitHub."""
    return with_own_login("gh auth login --scopes workflow")


def with_own_login(command: str) -> tuple[str, ...]:
    """Return a login that gh makes itself; a token in the environment would win."""
    where = f" --hostname {github_host()}" * (github_host() != "github.com")
    return (*unset("GH_TOKEN", "GITHUB_TOKEN"), f"{command}{where}")


def unset(*names: str) -> tuple[str, ...]:
    """Return what removes variables from a shell, nothing where none of them is set."""
    given = [name for name in names if os.environ.get(name)]
    return (f"unset {' '.join(given)}",) if given else ()


def of_aws(refused: Refused) -> Problem:
    """Return what an error of AWS, or of its CLI, means, and what to type."""
    said, code = refused.said.rstrip("."), refused.code
    unknown = "Expired|Token|Signature|UnrecognizedClient"  # codes of who is not known to AWS
    if re.search(unknown if code else "xpired|SSO|aws login|locate credentials", code or said):
        return Problem(f"AWS does not know who you are: {said}", *login_to_aws(said))
    if "profile" in said and "could not be found" in said:
        lines = ("aws configure list-profiles", "export AWS_PROFILE=NAME")
        return Problem(f"There is no such AWS profile: {said}", *lines)
    if re.search("AccessDenied|Unauthorized|NotAuthorized", code):
        message = f"Your AWS user or role may not do this: {said}. The actions that are needed are"
        message += " listed in .github/keyless/docs/permissions.md. Ask an administrator of the"
        return Problem(f"{message} account for them. This shows who you are:", IDENTITY)
    if re.search("^$|Throttl|TooMany|Unavailable|InternalFailure", code):
        page = "https://health.aws.amazon.com/health/status"
        return Problem(f"AWS gave no answer: {said}. Wait until it answers.", page)
    return Problem(f"AWS refuses: {said}. This shows who you are:", IDENTITY)


def login_to_aws(said: str) -> tuple[str, ...]:
    """Return what to type to log in to AWS; keys in the environment would win."""
    if "aws login" in said:
        return (*unset(*KEYS), "aws login")
    single = "xpired" in said or "SSO" in said
    return (*unset(*KEYS), "aws sso login" if single else "aws configure")
