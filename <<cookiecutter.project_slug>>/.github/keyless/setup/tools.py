"""What this machine must have: programs, and logins to GitHub and AWS."""

from __future__ import annotations

import re
import shutil
from typing import NamedTuple

from keyless.aws import AWS_PAGE, Refused
from keyless.console import Problem
from keyless.gh import denied
from keyless.model.account import Account
from keyless.model.answers import INSTALL_PAGES
from keyless.paths import TFVARS
from keyless.programs import run
from keyless.setup.aws_account import ask_aws
from keyless.setup.credentials import KEYS, for_terraform
from keyless.setup.remedies import login_to_github, of_aws, of_github, unset, with_own_login
from keyless.setup.terraform import IAC_TOOL

OLDEST = (1, 10)  # version of Terraform or OpenTofu, as infra/versions.tf says
SCOPES = {"repo", "workflow"}  # the second one is needed to push .github/workflows


class Program(NamedTuple):
    """Where to get a program: its name in Homebrew, and the page on other ways to install it."""

    formula: str
    page: str


FORMULAS = {"terraform": "hashicorp/tap/terraform", "tofu": "opentofu"}
PROGRAMS = {
    "git": Program("git", "https://git-scm.com/downloads"),
    "gh": Program("gh", "https://cli.github.com"),
    "aws": Program("awscli", AWS_PAGE),
    IAC_TOOL: Program(FORMULAS[IAC_TOOL], INSTALL_PAGES[IAC_TOOL]),
}


def missing_tools(account: Account) -> list[Problem]:
    """Return everything that is missing on this machine, each with the command that corrects it."""
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    found = [_not_installed(program) for program in missing]
    if "git" not in missing:
        found += _git_problems()
    if "gh" not in missing:
        found += login_problems()
    if IAC_TOOL not in missing:
        found += _version_problems()
    if "aws" not in missing:
        found += identity_problems(account)
    return found


def missing_for_release() -> list[Problem]:
    """Return what is missing on this machine to publish a version: git, gh, its login."""
    missing = [program for program in ("git", "gh") if not shutil.which(program)]
    return [*map(_not_installed, missing), *([] if "gh" in missing else login_problems())]


def _not_installed(program: str) -> Problem:
    formula, page = PROGRAMS[program]
    newest = " (1.10 or newer)" * (program == IAC_TOOL)
    line = f"brew install {formula}" if shutil.which("brew") else page + newest
    return Problem(f"{program} is not installed, so nothing can be set up.", line)


def _git_problems() -> list[Problem]:
    if run("git", "var", "GIT_AUTHOR_IDENT").status == 0:
        return []
    lines = (
        'git config --global user.name "YOUR NAME"',
        "git config --global user.email YOU@HOST",
    )
    return [
        Problem("Git has no name and email for commits, so it cannot commit. Set both:", *lines)
    ]


def _version_problems() -> list[Problem]:
    said = run(IAC_TOOL, "version", "-json").out
    known_as = re.search(r'"terraform_version": *"([^"]*)"', said)
    text = known_as[1] if known_as else "unknown"
    if tuple(map(int, re.findall("[0-9]+", text)[:2])) >= OLDEST:
        return []
    message = f"The version of {IAC_TOOL} is {text}, but infra/ needs 1.10 or newer."
    return [Problem(message, f"{PROGRAMS[IAC_TOOL].page} (1.10 or newer)")]


def login_problems() -> list[Problem]:
    """Return what is wrong with gh's login to GitHub."""
    done = run("gh", "api", "--include", "user")
    if done.status:
        if "(HTTP 403)" in done.err:  # a token of a GitHub App has no user
            return []
        said = " ".join(done.said.split())
        if done.status != 4 and "(HTTP 401)" not in done.err:
            return [of_github(denied(done))]
        message = f"You have no valid login to GitHub: gh reports {said!r}."
        return [Problem(message, *login_to_github())]
    scopes = re.search(r"(?mi)^x-oauth-scopes: *(.*?)\r?$", done.out)
    if scopes:  # fine-grained tokens have none
        return _scope_problems(set(re.split(", *", scopes[1])))
    return []


def _scope_problems(scopes: set[str]) -> list[Problem]:
    missing = sorted(SCOPES - scopes)
    if not missing:
        return []
    scope = f"scope{'s' * (len(missing) > 1)} {' and '.join(missing)}"
    lacks = f"gh's login does not have the {scope}, so it cannot push workflows."
    return [Problem(lacks, *with_own_login(f"gh auth refresh --scopes {','.join(missing)}"))]


def identity_problems(account: Account) -> list[Problem]:
    """Return what is wrong with the AWS credentials: their account, partition, use by Terraform."""
    try:
        caller = ask_aws(account, "sts", "get-caller-identity")
    except Refused as refused:
        return [of_aws(refused)]
    partition = str(caller["Arn"]).split(":")[1]
    if caller["Account"] != account.id:
        message = (
            f"The AWS credentials belong to account {caller['Account']} ({caller['Arn']}), but"
            f" {TFVARS} names account {account.id}, so nothing can be set up."
        )
        return [Problem(message, *unset(*KEYS), f"export AWS_PROFILE=PROFILE-OF-{account.id}")]
    if partition != account.partition:
        message = (
            f"The AWS credentials belong to the partition {partition}, but the region"
            f" {account.region} is in {account.partition}, so nothing can be created there."
        )
        profile = f"export AWS_PROFILE=PROFILE-OF-{account.partition}"
        return [Problem(message, *unset(*KEYS), profile)]
    try:
        for_terraform()
    except Problem as problem:
        return [problem]
    return []
