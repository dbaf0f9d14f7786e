"""The answers: which are accepted, and what follows from them.

cookiecutter.json pipes every free answer through the filter of its kind right after the question,
in a private value. A wrong answer raises FailedHookException, which cookiecutter prints as one line
with exit status 1 before anything is created (cookiecutter 2.7.1, cli.py).
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment, pass_context
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
# What IAM takes in a trust policy (U+0020 to U+00FF) [CreateRole], without its wildcards and
# variables, without the % of an escape (GitHub writes : as %3A), and without what would have to be
# escaped in YAML, HCL or Markdown.
ENVIRONMENT = re.compile(
    r"[A-Za-z0-9\u00c0-\u00ff]"
    r"([A-Za-z0-9\u00c0-\u00ff !#&'()+,./:;=@_~-]{0,253}[A-Za-z0-9\u00c0-\u00ff!#&'()+,./:;=@_~-])?"
)
# [Amazon S3 user guide, "General purpose bucket naming rules"]
BUCKET = re.compile(
    r"(?=.{3,63}$)(?!xn--|sthree-|amzn-s3-demo-|([0-9]+\.){3}[0-9]+$)"
    r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
    r"(?<!-s3alias)(?<!--ol-s3)(?<!--x-s3)(?<!--table-s3)(?<!\.mrap)"
)
# Docker's reference grammar ends at 255 characters, and some clients count the registry's host.
IMAGE_NAME_MAXIMUM = 255
ROLE_NAME_MAXIMUM = 64  # [IAM quotas]
ROLE_NAME_SUFFIX = "-push"  # never just "GitHubActions", a name that is reported not assumable
# [App Runner API, CreateService and ImageRepository]; ECS allows more in both.
SERVICE_NAME_MAXIMUM = 40
APP_RUNNER_REGIONS = (  # [endpoints of botocore 1.43, November 2026]
    *("us-east-1", "us-east-2", "us-west-2", "ap-south-1", "ap-northeast-1", "ap-southeast-1"),
    *("ap-southeast-2", "eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3"),
)
APP_RUNNER_IMAGE = re.compile(r"([a-z0-9]+([._-][a-z0-9]+)*/)*[a-z0-9]+([._-][a-z0-9]+)*")
SHOWN_MAXIMUM = 60
NEW_ON_GITHUB = {".git", ".gitignore", "LICENSE", "README.md"}


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


def environment_name(value: str) -> str:
    """Return the name of a GitHub environment, which stands in the subject; empty for none."""
    if value and not ENVIRONMENT.fullmatch(value):
        refuse(
            "github_environment",
            value,
            "is no environment that a role can trust exactly",
            "Type 1 to 255 letters, digits, spaces and any of !#&'()+,./:;=@_~- , beginning with a "
            "letter or digit: for example production. Leave it empty for none",
        )
    return value


def bucket_name(value: str) -> str:
    """Return the name of an S3 bucket; empty for none."""
    if value and not BUCKET.fullmatch(value):
        refuse(
            "state_bucket",
            value,
            "is no name that S3 accepts for a bucket, so there would be no place for the state",
            "Type 3 to 63 lower-case letters, digits, '-' and '.', for example octo-org-terraform. "
            "Leave it empty for a local file",
        )
    return value


def role_name(slug: str) -> str:
    """Return the name of a project's role, cut so that it fits IAM's 64 characters."""
    return slug[: ROLE_NAME_MAXIMUM - len(ROLE_NAME_SUFFIX)] + ROLE_NAME_SUFFIX


def service_name(slug: str) -> str:
    """Return the name of a project's service: letters, digits, - and _, 4 to 40 of them."""
    name = re.sub("[^A-Za-z0-9_-]", "-", slug).lstrip("_-")[:SERVICE_NAME_MAXIMUM]
    return name if len(name) > 3 else f"{name}-service".lstrip("-")


def together(answers: dict[str, Any]) -> str:
    """Judge what no single answer shows; every answer by itself is accepted by now.

    Returns:
        Nothing to render.
    """
    account, aws_region = answers["aws_account_id"], answers["aws_region"]
    _judge_service(answers)
    if answers["iac_tool"] == "none" and answers["state_bucket"]:
        refuse(
            "state_bucket",
            answers["state_bucket"],
            "has nothing to keep: with iac_tool=none there is no infra/ here, so no state",
            "Leave it empty",
        )
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


def _judge_service(answers: dict[str, Any]) -> None:
    """Refuse a service that could not be made where the other answers lead to."""
    target, aws_region = answers["deploy_to"], answers["aws_region"]
    if target == "nothing":
        return
    if answers["iac_tool"] == "none":
        refuse(
            "deploy_to",
            target,
            "needs roles for the service, which an infra/ here makes, and with iac_tool=none there "
            "is none",
            "Type nothing, or iac_tool=terraform",
        )
    if partition(aws_region) != "aws":
        refuse(
            "deploy_to",
            target,
            f"is not known to work in {aws_region}, which is no commercial region",
            "Type nothing, or a commercial region such as us-east-1",
        )
    if target != "app-runner":
        return
    if aws_region not in APP_RUNNER_REGIONS:
        refuse(
            "deploy_to",
            target,
            f"is not in {aws_region}: App Runner has only some regions, and takes no new customers",
            f"Type ecs-express, or one of: {', '.join(APP_RUNNER_REGIONS)}",
        )
    if answers["platform"] != "linux/amd64":
        refuse(
            "platform",
            answers["platform"],
            "does not run on App Runner, which is linux/amd64 only",
            "Type linux/amd64, or deploy_to=ecs-express",
        )
    if not APP_RUNNER_IMAGE.fullmatch(answers["ecr_repository"]):
        refuse(
            "ecr_repository",
            answers["ecr_repository"],
            "is no name from which App Runner takes an image",
            "Type words parted by single '.', '_', '-' or '/': for example example-service",
        )


def existing(answers: dict[str, Any]) -> str:
    """Return what kind of a folder the answers lead to: a new one, one of this template, another.

    Cookiecutter writes into one that exists only with -f, and keeps its files only with -s. What
    would then not fit together is refused here, before anything is added.

    Returns:
        Nothing for a new or empty folder, `started` for what GitHub puts into a new repository,
        `generated`, or `adopted`.
    """
    call = _call()
    folder = _target(answers)
    if os.path.lexists(folder) and not folder.is_dir():
        refuse("project_slug", folder.name, "exists, and is no folder", "Give that another name")
    if not folder.is_dir() or not any(folder.iterdir()):
        return ""
    if not call.get("overwrite_if_exists"):
        return ""  # cookiecutter says that it exists
    _judge_origin(folder, answers["github_repository"])
    _judge_links(folder)
    try:
        noted = (folder / ".cookiecutter.json").read_text(encoding="utf-8")
        before = dict(json.loads(noted)["default_context"])
    except (OSError, ValueError, LookupError, TypeError):
        before = {}
    keeps = call.get("skip_if_file_exists")
    if not before and not keeps and any((folder / name).exists() for name in _template_files()):
        refuse(
            "project_slug",
            folder.name,
            "is a folder with files that -f alone would overwrite",
            "Type -f -s, which keeps every file that exists",
        )
    for key, value in public(answers).items() if keeps else ():
        if key in before and before[key] != value:
            refuse(
                key,
                value,
                f"is not the {before[key]!a} of {folder.name}/.cookiecutter.json, and files "
                "that exist would keep that",
                f"Type --no-input --config-file {folder.name}/.cookiecutter.json, or see "
                "'Change an answer later' there",
            )
    if before:
        return "generated"
    return "adopted" if {path.name for path in folder.iterdir()} - NEW_ON_GITHUB else "started"


@pass_context
def here(context: Any, name: str) -> str:
    """Return the name of a file that belongs to an infra/ here; cookiecutter skips an empty one."""
    return "" if context["cookiecutter"]["iac_tool"] == "none" else name


@pass_context
def elsewhere(context: Any, name: str) -> str:
    """Return the name of a file that stands in for an infra/ elsewhere."""
    return "" if here(context, name) else name


def _deployed(context: Any, name: str, *targets: str) -> str:
    """Return the name of a file that belongs to some answers of deploy_to."""
    return name if context["cookiecutter"]["deploy_to"] in targets else ""


@pass_context
def served(context: Any, name: str) -> str:
    """Return the name of a file that a repository has whose image is run."""
    return _deployed(context, name, "ecs-express", "app-runner")


@pass_context
def on_ecs_express(context: Any, name: str) -> str:
    """Return the name of a file that belongs to a service on ECS."""
    return _deployed(context, name, "ecs-express")


@pass_context
def on_app_runner(context: Any, name: str) -> str:
    """Return the name of a file that belongs to a service on App Runner."""
    return _deployed(context, name, "app-runner")


# By which filters the template's files choose whether they are generated.
SIDES = {each.__name__: each for each in (here, elsewhere, served, on_ecs_express, on_app_runner)}


def _target(answers: dict[str, Any]) -> Path:
    """Return the folder that will be written into."""
    return Path(_call().get("output_dir", "."), str(answers["project_slug"]))


def _judge_origin(folder: Path, repository: str) -> None:
    """Refuse answers for another repository than the one that the folder is pushed to."""
    try:
        config = (folder / ".git/config").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return
    remote = re.search(
        r'\[remote "origin"\][^\[]*?\burl *= *\S*github\.com[:/]([\w.-]+/[\w.-]+?)(\.git)?/?\s',
        config,
    )
    if remote and remote[1].lower() != repository.lower():
        refuse(
            "github_repository",
            repository,
            f"is not where {folder.name} is pushed to, which is {remote[1]}",
            f"Type {remote[1]}, or name another remote origin",
        )


def _judge_links(folder: Path) -> None:
    """Refuse to write through a link, or where a file is in the way of a folder."""
    for name in _template_files():
        *parents, path = [
            folder.joinpath(*Path(name).parts[: n + 1]) for n in range(name.count("/") + 1)
        ]
        for parent in parents:
            if parent.is_symlink() or (parent.exists() and not parent.is_dir()):
                _refuse_path(folder, parent, "a link or a file where this template needs a folder")
            if (parent / ".git").exists():
                _refuse_path(folder, parent, "a Git repository of its own, where this has a folder")
        if path.is_symlink() and not path.exists():
            _refuse_path(folder, path, "a link that leads nowhere where this template has a file")


def _refuse_path(folder: Path, path: Path, what: str) -> NoReturn:
    name = path.relative_to(folder).as_posix()
    refuse("project_slug", folder.name, f"holds {name}, {what}", "Give that another name")


def _template_files() -> list[str]:
    """Return the paths of the template's files, as the template names them."""
    template = Path(__file__).parent / "<<cookiecutter.project_slug>>"
    found = (path for path in template.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return sorted(path.relative_to(template).as_posix() for path in found)


def guide(answers: dict[str, Any]) -> str:
    """Return where the guide goes: beside a README that was there before, it is in docs/."""
    folder = _target(answers)
    beside = "docs/publishing.md"
    own = answers["__existing"] in ("adopted", "started") and (folder / "README.md").exists()
    return beside if own or (answers["__existing"] and (folder / beside).exists()) else "README.md"


def adopted(answers: dict[str, Any]) -> str:
    """Return which of the template's files a folder has, and which will be added, as JSON.

    Nothing for a new folder. The hook sees the folder when it is too late to tell.
    """
    if not answers["__existing"] or not _call().get("skip_if_file_exists"):
        return ""
    folder = _target(answers)
    names = []
    for name in _template_files():
        private = re.search("<<cookiecutter\\.(\\w+)>>", name)
        sided = re.search("<<'(.*)'\\|(\\w+)>>", name)
        value = answers[private[1]] if private else ""
        if sided:
            value = SIDES[sided[2]]({"cookiecutter": answers}, sided[1])
        if value or not (private or sided):
            names.append(re.sub("<<.*>>", value, name))
    there = [name for name in names if os.path.lexists(folder / name)]
    return json.dumps({"kept": there, "added": [name for name in names if name not in there]})


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
            environment_name=environment_name,
            bucket_name=bucket_name,
            role_name=role_name,
            together=together,
            adopted=adopted,
            existing=existing,
            guide=guide,
            public=public,
            service_name=service_name,
            **SIDES,
            as_json=lambda value: json.dumps(value, indent=2),
        )


def _without_traceback(record: logging.LogRecord) -> bool:
    """Drop the traceback that cookiecutter 2.7 logs after a hook has said what is wrong."""
    record.exc_info = None
    return True


def _call() -> dict[str, Any]:
    """Return the variables of the running cookiecutter.main.cookiecutter; empty without one."""
    frame = sys._getframe()
    while frame and frame.f_globals.get("__name__") != "cookiecutter.main":
        frame = frame.f_back  # type: ignore[assignment]
    return frame.f_locals if frame else {}


def _judge_given(environment: Environment) -> None:
    """Judge the answers of the command line and of the configuration file.

    Both are rendered as templates before any filter sees them, so is the name of the output folder;
    unknown keys are dropped, and a replay passes every filter by. An extension starts earlier and
    finds all that in the frame of cookiecutter.main.cookiecutter. Without that frame (the function
    was not called) there is nothing to judge.
    """
    given = _call()
    if "context" not in given:
        return
    if given.get("replay"):
        refuse(
            "--replay",
            str(given["replay"]),
            "would take its answers unread",
            "Type --no-input --config-file .cookiecutter.json, with the file of the project",
        )
    output = Path.cwd() / given["output_dir"]
    folder = str(output)
    if _is_template(folder, environment):
        refuse("output folder", folder, "holds template syntax", "Choose a folder without it")
    there = next(path for path in (output, *output.parents) if os.path.lexists(path))
    if not there.is_dir() or not os.access(there, os.W_OK):
        refuse("output folder", folder, "cannot be written into", "Choose another one")
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
