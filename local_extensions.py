"""The answers: which are accepted, and what follows from them.

cookiecutter.json pipes every free answer through the filter of its kind right after the question,
in a private value. A wrong answer raises FailedHookException, which cookiecutter prints as one line
with exit status 1 before anything is created (cookiecutter 2.7.1, cli.py).
"""

from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment
from jinja2.ext import Extension

# An owner is a user or an organisation; managed users carry an underscore. GitHub shows no other
# characters in the name of a repository, and allows 39 and 100 of them.
GITHUB_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}/[A-Za-z0-9._-]{1,100}")
DIRECTORY_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")
ACCOUNT_ID = re.compile(r"[0-9]{12}")
REGION = re.compile(r"([a-z]{2}|us-gov)-(central|(north|south)(east|west)?|east|west)-[1-9][0-9]?")
# The pattern of CreateRepository, plus "must begin with a letter" [Amazon ECR user guide].
ECR_NAME = re.compile(
    r"(?=[a-z])[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"
)
ECR_NAME_LENGTH = range(2, 257)
# Docker's reference grammar ends at 255 characters, and some clients count the registry's host.
IMAGE_NAME_MAXIMUM = 255
ROLE_NAME_MAXIMUM = 64  # [IAM quotas]
ROLE_NAME_SUFFIX = "-push"  # never just "GitHubActions", a name that is reported not assumable
SHOWN_MAXIMUM = 60


def refuse(key: str, value: str, what: str, instead: str) -> NoReturn:
    """End the generation with one line of ASCII: the key, the value, what is wrong, what to type.

    Raises:
        FailedHookException: always.
    """
    shown = ascii(value)
    if len(shown) > SHOWN_MAXIMUM:
        shown = f"{shown[:SHOWN_MAXIMUM]}...' ({len(value)} characters)"
    raise FailedHookException(f"{key}: {shown} {what}. {instead}")


def github_repository(value: str) -> str:
    """Return the owner/name that GitHub shows, case kept: it stands in the subject as it is."""
    if not GITHUB_REPOSITORY.fullmatch(value) or value.lower().endswith(("/.", "/..", ".git")):
        refuse(
            "github_repository",
            value,
            "is not owner/name, so no subject can be derived from it",
            "Type it as GitHub shows it, for example octo-org/example-service",
        )
    return value


def directory_name(value: str) -> str:
    """Return the name of one new directory: it also becomes Terraform's key and the role's name."""
    if not DIRECTORY_NAME.fullmatch(value):
        refuse(
            "project_slug",
            value,
            "is no plain directory name, so nothing was created",
            "Type letters, digits, '-', '_' and '.', not beginning with '.' or '-' "
            "nor ending in '.', at most 100: for example example-service",
        )
    return value


def account_id(value: str) -> str:
    """Return the 12 digits of an AWS account, as text: leading zeros count."""
    if not ACCOUNT_ID.fullmatch(value):
        refuse(
            "aws_account_id",
            value,
            "is not 12 digits, so no role can have this account in its ARN",
            "Type for example 111122223333; this shows yours: "
            "aws sts get-caller-identity --query Account --output text",
        )
    return value


def region(value: str) -> str:
    """Return the code of an AWS region in the partitions aws, aws-cn or aws-us-gov."""
    if value.startswith("eusc-"):
        refuse(
            "aws_region",
            value,
            "lies in the European Sovereign Cloud, which this template does not know yet",
            "Type a region of another partition, for example eu-central-1",
        )
    if not REGION.fullmatch(value):
        refuse(
            "aws_region",
            value,
            "is no AWS region, so there is no registry to push to",
            "Type its code with all hyphens, for example us-east-1",
        )
    return value


def partition(aws_region: str) -> str:
    """Return the partition of a region: the second field of every ARN in it."""
    return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(aws_region.rsplit("-", 2)[0], "aws")


def domain(aws_region: str) -> str:
    """Return the domain that the registry's host and the audience `sts.DOMAIN` end in."""
    return "amazonaws.com.cn" if partition(aws_region) == "aws-cn" else "amazonaws.com"


def ecr_name(value: str) -> str:
    """Return the name of a repository in ECR."""

    def accepted(name: str) -> bool:
        return len(name) in ECR_NAME_LENGTH and ECR_NAME.fullmatch(name) is not None

    if not accepted(value):
        lower = value.lower()
        refuse(
            "ecr_repository",
            value,
            "is no name that ECR accepts, so the registry could not be created",
            f"Type {lower}"
            if accepted(lower)
            else "Type 2 to 256 lower-case letters and digits, beginning with a letter, "
            "parted by single '.', '_', '-' or '/': for example example-service",
        )
    return value


def role_name(slug: str) -> str:
    """Return the name of a project's role, cut so that it fits IAM's 64 characters."""
    return slug[: ROLE_NAME_MAXIMUM - len(ROLE_NAME_SUFFIX)] + ROLE_NAME_SUFFIX


def together(answers: dict[str, Any]) -> str:
    """Judge what no single answer shows; every answer by itself is accepted by now.

    Returns:
        Nothing to render.
    """
    account, aws_region = answers["aws_account_id"], answers["aws_region"]
    image = f"{account}.dkr.ecr.{aws_region}.{domain(aws_region)}/{answers['ecr_repository']}"
    if len(image) > IMAGE_NAME_MAXIMUM:
        rest = len(image) - len(answers["ecr_repository"])
        refuse(
            "ecr_repository",
            answers["ecr_repository"],
            f"makes an image name of {len(image)} characters with the registry's host before it, "
            f"and Docker takes {IMAGE_NAME_MAXIMUM}",
            f"Type a name of at most {IMAGE_NAME_MAXIMUM - rest} characters",
        )
    return ""


def public(answers: dict[str, Any]) -> dict[str, Any]:
    """Return the answers a user gave, without the private values."""
    return {key: value for key, value in answers.items() if not key.startswith("_")}


class Answers(Extension):
    """Registers the filters, and judges what cookiecutter itself would take without a word."""

    def __init__(self, environment: Environment) -> None:
        """Refuse unknown keys and template syntax before cookiecutter drops or renders them.

        Raises:
            FailedHookException: for a key that is no question, or a value that is a template.
        """
        super().__init__(environment)
        logging.getLogger("cookiecutter.hooks").addFilter(_without_traceback)
        _judge_given(environment)
        environment.filters.update(
            github_repository=github_repository,
            directory_name=directory_name,
            account_id=account_id,
            region=region,
            partition=partition,
            domain=domain,
            ecr_name=ecr_name,
            role_name=role_name,
            together=together,
            public=public,
            as_json=lambda value: json.dumps(value, indent=2),
        )


def _without_traceback(record: logging.LogRecord) -> bool:
    """Drop the traceback that cookiecutter 2.7 logs after a hook has said what is wrong."""
    record.exc_info = None
    return True


def _judge_given(environment: Environment) -> None:
    """Judge the answers of the command line and of the configuration file.

    Both are rendered as templates before any filter sees them, so is the name of the output folder;
    unknown keys are dropped, and a replay passes every filter by. An extension starts earlier and
    finds all that in the frame of cookiecutter.main.cookiecutter. Without that frame (the function
    was not called) there is nothing to judge.
    """
    frame = sys._getframe()
    while frame and frame.f_globals.get("__name__") != "cookiecutter.main":
        frame = frame.f_back  # type: ignore[assignment]
    if not frame or "context" not in frame.f_locals:
        return
    given = frame.f_locals
    if given.get("replay"):
        refuse(
            "--replay",
            str(given["replay"]),
            "would take its answers unread",
            "Type --no-input --config-file .cookiecutter.json, with the file of the project",
        )
    folder = str(Path.cwd() / given["output_dir"])
    if _is_template(folder, environment):
        refuse("output folder", folder, "holds template syntax", "Choose a folder without it")
    known = given["context"]["cookiecutter"]
    questions = public(known)
    typed = given.get("extra_context") or {}
    configured = given.get("config_dict", {}).get("default_context") or {}
    for key in typed:
        if key not in questions:
            _refuse_key(key, list(questions))
    # Both, also where one overrides the other: at a wrong choice cookiecutter stops reading a
    # configuration and drops the answers behind it.
    for key, value in (*configured.items(), *typed.items()):
        if key in questions:
            _judge_value(key, value, questions[key], environment)
        elif key in known:  # a private value; what no template of ours knows is for another one
            _refuse_key(key, list(questions))


def _judge_value(key: str, value: Any, question: Any, environment: Environment) -> None:
    if not isinstance(value, str):
        refuse(key, str(value), "is not text, and YAML may have changed it", "Put it in quotes")
    if _is_template(value, environment):
        refuse(
            key,
            value,
            "holds template syntax, which cookiecutter would run",
            "Type the plain value",
        )
    if isinstance(question, list) and value not in question:
        refuse(key, value, "is no choice", f"Type one of: {', '.join(question)}")


def _refuse_key(key: str, questions: list[str]) -> NoReturn:
    import difflib  # only a wrong key pays for it

    near = difflib.get_close_matches(key, questions, n=1)
    refuse(
        "unknown key",
        key,
        "is no question, so cookiecutter would drop it and go on with a default",
        f"Did you mean {near[0]}?" if near else f"Type one of: {', '.join(questions)}",
    )


def _is_template(value: str, environment: Environment) -> bool:
    starts = (
        environment.variable_start_string,
        environment.block_start_string,
        environment.comment_start_string,
    )
    statement = re.escape(environment.line_statement_prefix or "")
    return any(start in value for start in starts) or bool(
        re.search(rf"(^|[\r\n])[ \t\v]*{statement}", value)
    )
