"""<% raw %>What is outside of this repository: GitHub, AWS and Terraform's state.

Every program is run by `run`, never through a shell. Looking changes nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import check
from publish import Problem, Refused
from publish import aws as aws_cli

ROOT = Path(__file__).resolve().parent.parent
INFRA, TFVARS = ROOT / "infra", ROOT / check.TFVARS
AGAIN = "make bootstrap"
TOOL = "<% endraw %><< cookiecutter.__tofu >><% raw %>"  # the program that applies infra/
OLDEST = (1, 10)  # version of TOOL, as infra/versions.tf says
SCOPES = {"repo", "workflow"}  # the second one is for pushing what stands in .github/workflows
CREATED_WITH_IDS = "2026-07-15"  # from then on every new repository has the ids in its subject
KEPT = {  # what others rely on
    "aws_iam_role": "role",
    "aws_ecr_repository": "registry",
    "aws_iam_openid_connect_provider": "OIDC identity provider",
}
WORDS = {
    **KEPT,
    "aws_iam_role_policy": "push policy of role",
    "aws_ecr_lifecycle_policy": "lifecycle policy of registry",
    "aws_ecr_repository_policy": "pull policy of registry",
}
# Which program is needed, its name in Homebrew, and where it is explained otherwise.
TOOLS = {
    "terraform": ("hashicorp/tap/terraform", "https://developer.hashicorp.com/terraform/install"),
    "tofu": ("opentofu", "https://opentofu.org/docs/intro/install"),
}
PROGRAMS = {
    "git": ("git", "https://git-scm.com/downloads"),
    "gh": ("gh", "https://cli.github.com"),
    "aws": (
        "awscli",
        "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
    ),
    TOOL: TOOLS[TOOL],
}


class Done(NamedTuple):
    """How a program ended, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """What it said of its failure, without empty lines around."""
        said = re.sub(r"\x1b\[[0-9;]*m", "", self.err.strip() or self.out.strip())
        return said or f"exit status {self.status}"


class Denied(Exception):
    """An answer of GitHub that is an error: its HTTP status, 0 where it was not reached."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Repository(NamedTuple):
    """A repository as GitHub shows it."""

    full_name: str
    id: int
    owner_id: int
    created: str
    archived: bool
    writable: bool  # for whom gh is logged in


def run(*command: str, given: str | None = None, show: bool = False) -> Done:
    """Run a program to its end; with `show` it prints by itself.

    Ctrl-C reaches the program, too, and its own way of stopping is waited for: Terraform then still
    writes its state.
    """
    to = None if show else subprocess.PIPE
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
        stdout=to,
        stderr=to,
        encoding="utf-8",
        errors="replace",
    )
    try:
        out, err = process.communicate(given)
    except KeyboardInterrupt:
        process.communicate()
        raise
    return Done(process.returncode, out or "", err or "")


def must(done: Done, what: str, *commands: str) -> None:
    """Go on where a program has succeeded.

    Raises:
        Problem: it has not; what it printed is in the text.
    """
    if done.status:
        raise Problem(f"{what}:\n{done.said}", *commands, AGAIN)


def gh(path: str, method: str = "GET", content: Any = None) -> Any:
    """Return what GitHub's API answers.

    Raises:
        Denied: it answers with an error, or not at all.
    """
    command, given = ["gh", "api", path], None
    if method != "GET":
        command[2:2] = ["--method", method]
        command += ["--input", "-"]
        given = json.dumps(content)
    done = run(*command, given=given)
    if done.status == 0:
        return parsed("GitHub", done.out)
    status = re.search(r"\(HTTP ([0-9]{3})\)", done.err)
    text = re.sub(r"^gh: | \(HTTP [0-9]{3}\)$", "", " ".join(done.err.split()))
    raise Denied(int(status[1]) if status else 0, text)


def known(path: str) -> Any:
    """Return what GitHub's API answers, None where it shows nothing under that name (404)."""
    try:
        return gh(path)
    except Denied as denied:
        if denied.status != 404:
            raise
        return None


def aws(
    account: check.Account, service: str, operation: str, *arguments: str, missing: str = ""
) -> Any:
    """Return what AWS answers, None where the error code `missing` says that there is none.

    Raises:
        Refused: it answers with another error, or not at all.
    """
    try:
        where = ("--region", account.region, "--output", "json")
        answer = aws_cli(["aws", service, operation, *arguments, *where])
    except Refused as refused:
        if missing and refused.code.startswith(missing):
            return None
        raise
    return parsed("AWS", answer or "null")  # what deletes says nothing


def parsed(who: str, text: str) -> Any:
    """Return what an answer in JSON says.

    Raises:
        Problem: it is none.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        said = " ".join(text.split())[:100] or "nothing"
        raise Problem(f"{who} answered something else than JSON: {said}", AGAIN) from error


def git(*arguments: str) -> Done:
    """Run git in the repository; for GitHub it gets gh's login."""
    helper = f"credential.https://{host()}.helper="
    login = ["-c", helper, "-c", f"{helper}!gh auth git-credential"]
    talks = arguments[0] in ("fetch", "ls-remote", "push")
    return run("git", *login * talks, *arguments)


def terraform(command: str, *arguments: str, show: bool = False) -> Done:
    """Run Terraform in infra/; it never asks anything."""
    colours = show and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    plain = [] if colours or command == "state" else ["-no-color"]
    return run(TOOL, "-chdir=infra", command, *plain, *arguments, show=show)


def initialised(command: str, *arguments: str) -> Done:
    """Run Terraform; where it must be initialised first, do that, and run it again."""
    done = Done(1, "", f"{TOOL} init")
    if (INFRA / ".terraform/providers").exists():
        done = terraform(command, *arguments)
    if done.status == 1 and f"{TOOL} init" in done.said:
        must(terraform("init", "-input=false"), f"{TOOL} init failed, and nothing was changed")
        done = terraform(command, *arguments)
    return done


def account_here() -> check.Account:
    """Return what infra/terraform.tfvars.json says.

    Raises:
        check.CannotJudge: it is missing, or is no such file.
    """
    return check.account_in(check.read(ROOT, check.TFVARS))


def own_key(account: check.Account) -> str:
    """Return the key of this repository's own entry.

    Raises:
        Problem: there are several, and none is that of the answers.
    """
    keys = list(account.entries)
    try:
        answers = json.loads((ROOT / ".cookiecutter.json").read_text(encoding="utf-8"))
        key = answers["default_context"]["project_slug"]
    except (OSError, ValueError, LookupError, TypeError):
        key = None
    if key in keys or len(keys) == 1:
        return str(key if key in keys else keys[0])
    raise Problem(
        f"{check.TFVARS} has no entry {key or 'of the answers'!r}, so it is not known which of its"
        f" {len(keys)} entries is this repository's. Restore the key: it never changes, also when"
        " the repository does.",
        f"git log --patch -- {check.TFVARS}",
    )


def tools(account: check.Account) -> list[Problem]:
    """Return everything that is missing on this machine, each with the line that mends it."""
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    found = []
    for program in missing:
        formula, page = PROGRAMS[program]
        newest = " (1.10 or newer)" * (program == TOOL)
        line = f"brew install {formula}" if shutil.which("brew") else page + newest
        found.append(Problem(f"{program} is not installed, so nothing can be set up.", line))
    if "git" not in missing and run("git", "var", "GIT_AUTHOR_IDENT").status:
        message = "git does not know who you are, so it cannot commit."
        lines = (
            'git config --global user.name "YOUR NAME"',
            "git config --global user.email YOU@HOST",
        )
        found.append(Problem(message, *lines))
    if "gh" not in missing:
        found += login()
    if TOOL not in missing:
        said = run(TOOL, "version", "-json").out
        known_as = re.search(r'"terraform_version": *"([^"]*)"', said)
        text = known_as[1] if known_as else "of an unknown version"
        if tuple(map(int, re.findall("[0-9]+", text)[:2])) < OLDEST:
            message = f"{TOOL} is {text}, and infra/ needs 1.10 or newer."
            found.append(Problem(message, f"{PROGRAMS[TOOL][1]} (1.10 or newer)"))
    return found + (identity(account) if "aws" not in missing else [])


def login() -> list[Problem]:
    """Return what is wrong with gh's login to GitHub."""
    done = run("gh", "api", "--include", "user")
    if done.status:
        if "(HTTP 403)" in done.err:  # a token of a GitHub App is nobody's
            return []
        said = " ".join(done.said.split())
        if done.status != 4 and "(HTTP 401)" not in done.err:
            return [Problem(f"GitHub cannot be asked: {said}", "gh auth status")]
        message = f"GitHub does not know who you are: gh says {said!r}."
        where = f" --hostname {host()}" * (host() != "github.com")
        return [Problem(message, f"gh auth login --scopes workflow{where}")]
    scopes = re.search(r"(?mi)^x-oauth-scopes: *(.*?)\r?$", done.out)
    if scopes:  # fine-grained tokens have none
        missing = sorted(SCOPES - set(re.split(", *", scopes[1])))
        if missing:
            message = (
                f"gh's login lacks the scope {' and '.join(missing)}, so it may not push workflows."
            )
            given = [name for name in ("GH_TOKEN", "GITHUB_TOKEN") if os.environ.get(name)]
            lines = [f"unset {name}" for name in given]
            return [Problem(message, *lines, f"gh auth refresh --scopes {','.join(missing)}")]
    return []


def identity(account: check.Account) -> list[Problem]:
    """Return what is wrong with the AWS credentials: whose they are, and in which partition."""
    try:
        caller = aws(account, "sts", "get-caller-identity")
    except Refused as refused:
        message = f"AWS does not know who you are: {refused.said}"
        lines = ["aws sso login"] if "xpired" in refused.said or "SSO" in refused.said else []
        return [Problem(message, *lines, *([] if lines else ["aws configure"]))]
    partition = str(caller["Arn"]).split(":")[1]
    if caller["Account"] != account.id:
        message = (
            f"The AWS credentials are those of account {caller['Account']} ({caller['Arn']}), and"
        )
        message += f" {check.TFVARS} names account {account.id}, so nothing may be changed."
        return [Problem(message, f"export AWS_PROFILE=PROFILE-OF-{account.id}")]
    if partition != account.partition:
        message = f"The AWS credentials are of the partition {partition}, and the region"
        message += f" {account.region} lies in {account.partition}, so nothing can be made there."
        return [Problem(message, f"export AWS_PROFILE=PROFILE-OF-{account.partition}")]
    return []


def host() -> str:
    """Return the host of GitHub, which `main` takes from the issuer of its tokens."""
    return os.environ.get("GH_HOST", "github.com")


def page_of(name: str) -> str:
    """Return the address of a repository on GitHub."""
    return f"https://{host()}/{name}"


def repository(name: str) -> Repository | None:
    """Return a repository as GitHub shows it, also by an older name; None where it shows none."""
    found = known(f"repos/{name}")
    if found is None:
        return None
    permissions = found.get("permissions") or {}
    return Repository(
        *(found["full_name"], found["id"], found["owner"]["id"], found.get("created_at") or ""),
        *(bool(found.get("archived")), bool(permissions.get("push"))),
    )


def subject_prefix(found: Repository) -> str:
    """Return what GitHub puts before the context of a repository's subjects.

    [GitHub docs, REST API, "Get the customization template for an OIDC subject claim for a
    repository"; without keys of its own a repository that does not use GitHub's default has its
    organisation's]

    Raises:
        Problem: it cannot be trusted exactly.
    """
    path = f"repos/{found.full_name}/actions/oidc/customization/sub"
    answer = known(path) or {}
    keys = answer.get("include_claim_keys")
    if not answer.get("use_default", True) and keys != ["repo", "context"]:
        what = f"holds {', '.join(keys)}" if keys else "is the one that its organisation has chosen"
        raise Problem(
            f"The subject of {found.full_name} was customised: it {what}, not repository and"
            " context. A role that trusts repository and ref could not be assumed. This undoes it,"
            " for this repository alone; ask first who needs it:",
            f"gh api --method PUT {path} -F use_default=true",
        )
    owner, name = found.full_name.split("/")
    classic = f"repo:{found.full_name}"
    with_ids = f"repo:{owner}@{found.owner_id}/{name}@{found.id}"
    prefix = answer.get("sub_claim_prefix") or classic
    if prefix not in (classic, with_ids):
        raise Problem(
            f"GitHub says that the subject begins with {prefix}, and that the repository is"
            f" {with_ids}. These do not fit together, so none is trusted. It may be changing now.",
            f"gh api {path}",
        )
    cloud = host() == "github.com" or host().endswith(".ghe.com")  # a server knows no ids
    if cloud and "sub_claim_prefix" not in answer and found.created[:10] > CREATED_WITH_IDS:
        raise Problem(
            f"GitHub does not say what the subject of {found.full_name} begins with, and since"
            f" {CREATED_WITH_IDS} that holds numeric ids, so it would be a guess. May you see it?",
            f"gh api {path}",
        )
    return str(prefix)


def actions_disabled(name: str) -> Problem | None:
    """Return why no workflow runs in a repository; nothing where they do or nobody may know."""
    path = f"repos/{name}/actions/permissions"
    try:
        answer = gh(path)
    except Denied:  # only admins may ask
        return None
    if answer.get("enabled", True) and answer.get("allowed_actions") != "local_only":
        return None
    what = "runs no actions of others" if answer.get("enabled") else "is switched off"
    return Problem(
        f"GitHub Actions {what} in {name}, so nothing would be published.",
        f"gh api --method PUT {path} -F enabled=true -f allowed_actions=all",
    )


def environment(name: str, environment: str) -> str:
    """Return the path of an environment in GitHub's API."""
    return f"repos/{name}/environments/{quote(environment, safe='')}"


def admitted(path: str, there: dict[str, Any]) -> list[dict[str, str]] | None:
    """Return the deployment policies of an environment, None where it does not limit its refs."""
    if not (there.get("deployment_branch_policy") or {}).get("custom_branch_policies"):
        return None
    listed = gh(f"{path}/deployment-branch-policies?per_page=100")["branch_policies"]
    return [{"name": each["name"], "type": each.get("type", "branch")} for each in listed]


def policies(refs: list[str]) -> list[dict[str, str]]:
    """Return the deployment policies of an environment that admit the same refs as the role."""
    kinds = {"heads": "branch", "tags": "tag"}
    parts = [ref.split("/", 2) for ref in refs]
    return [{"name": pattern, "type": kinds[kind]} for _, kind, pattern in parts]


def provider(account: check.Account) -> Any:
    """Return the account's OIDC identity provider for GitHub, None where there is none."""
    arguments = ("--open-id-connect-provider-arn", account.oidc_provider)
    return aws(account, "iam", "get-open-id-connect-provider", *arguments, missing="NoSuchEntity")


def audience_missing(account: check.Account, found: Any) -> Problem | None:
    """Return what is wrong with an identity provider that exists."""
    if account.audience in found["ClientIDList"]:
        return None
    return Problem(
        f"GitHub's identity provider in account {account.id} does not know the audience"
        f" {account.audience}, so AWS would refuse every token.",
        "aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn"
        f" {account.oidc_provider} --client-id {account.audience}"
        f" --region {account.region}",
    )


def role(account: check.Account, entry: dict[str, Any]) -> Any:
    """Return an entry's role as AWS has it, None where there is none."""
    found = aws(
        account, "iam", "get-role", "--role-name", entry["role_name"], missing="NoSuchEntity"
    )
    return found and found["Role"]


def registry(account: check.Account, entry: dict[str, Any]) -> Any:
    """Return an entry's registry as AWS has it, None where there is none."""
    arguments = ("--repository-names", entry["ecr_repository"])
    found = aws(account, "ecr", "describe-repositories", *arguments, missing="RepositoryNotFound")
    return found and found["repositories"][0]


class Bucket(NamedTuple):
    """Where infra/ keeps its state in S3."""

    name: str
    region: str


def bucket() -> Bucket | None:
    """Return where the state is kept in S3, None where it is kept otherwise."""
    for path in sorted(INFRA.glob("*.tf")):
        _, body = check.block(check.code(path.read_text(encoding="utf-8")), '  backend "s3"')
        found = dict(re.findall(r'(?m)^\s*(bucket|region)\s*=\s*"([^"]*)"', body))
        if len(found) == 2:
            return Bucket(found["bucket"], found["region"])
    return None


def bucket_notes(account: check.Account, wanted: Bucket) -> list[str] | None:
    """Return what is to be said of the bucket for the state, None where there is none yet.

    Raises:
        Problem: it is in another region, or nobody here may use it.
    """
    one = ("--bucket", wanted.name)
    location = ("s3api", "get-bucket-location", *one)
    notes = []
    try:
        own = ("--expected-bucket-owner", account.id)
        found = aws(account, *location, *own, missing="NoSuchBucket")
    except Refused as refused:
        if "AccessDenied" not in refused.code:
            raise
        try:
            found = aws(account, *location)
        except Refused:
            raise Problem(
                f"You may not use the bucket {wanted.name}, which infra/backend.tf names for the"
                " state: it is somebody else's (a bucket's name is unique in all of AWS), or you"
                " lack s3:GetBucketLocation.",
                f"aws s3api get-bucket-location --bucket {wanted.name}",
            ) from refused
        notes.append(
            f"The bucket {wanted.name} for the state belongs to another account than {account.id}."
            " If you do not know whose it is, answer no."
        )
    if found is None:
        return None
    where = {None: "us-east-1", "EU": "eu-west-1"}.get(
        found["LocationConstraint"], found["LocationConstraint"]
    )
    if where != wanted.region:
        raise Problem(
            f"The bucket {wanted.name} is in {where}, and infra/backend.tf says {wanted.region}.",
            f'write region = "{where}" in infra/backend.tf',
            AGAIN,
        )
    with contextlib.suppress(Refused):  # who may not ask is not told
        versions = aws(account, "s3api", "get-bucket-versioning", *one) or {}
        if versions.get("Status") != "Enabled":
            notes.append(
                f"The bucket {wanted.name} keeps no former versions, so a state that is lost stays"
                f" lost: aws s3api put-bucket-versioning --bucket {wanted.name}"
                " --versioning-configuration Status=Enabled"
            )
    return notes


def creation(wanted: Bucket) -> list[str]:
    """Return what makes a bucket: the arguments of the AWS CLI, without the region."""
    place = ["--create-bucket-configuration", f"LocationConstraint={wanted.region}"]
    elsewhere = wanted.region != "us-east-1"  # where S3 wants no such argument
    return ["s3api", "create-bucket", "--bucket", wanted.name, *place * elsewhere]


def make_bucket(account: check.Account, wanted: Bucket) -> None:
    """Make the bucket for the state: versioned, and closed to the public."""
    one = ("--bucket", wanted.name)
    there = account._replace(region=wanted.region)
    service, operation, *arguments = creation(wanted)
    aws(there, service, operation, *arguments)
    kept = ("--versioning-configuration", "Status=Enabled")
    aws(there, "s3api", "put-bucket-versioning", *one, *kept)
    every = "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true"
    closed = f"{every},RestrictPublicBuckets=true"
    block = ("--public-access-block-configuration", closed)
    aws(there, "s3api", "put-public-access-block", *one, *block)


def quoted(key: str) -> str:
    """Return a key of for_each as Terraform writes it in an address."""
    return json.dumps(key, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def state() -> set[str]:
    """Return the addresses of what Terraform has made, without the indices of counted resources.

    Raises:
        Problem: the state cannot be read.
    """
    done = initialised("state", "pull")
    if done.status:
        raise Problem(
            f"Terraform's state cannot be read:\n{done.said}", f"{TOOL} -chdir=infra init"
        )
    resources = parsed("Terraform", done.out or "{}").get("resources", [])
    return {
        ".".join(filter(None, [each.get("module"), each["type"], each["name"]]))
        for each in resources
        if each["mode"] == "managed" and each["instances"]
    }


def shown(plan: str) -> str:
    """Return a plan's JSON.

    Raises:
        Problem: Terraform cannot show it.
    """
    done = terraform("show", "-json", plan)
    must(done, "Terraform cannot show its plan")
    return done.out


def actions(change: dict[str, Any]) -> list[str]:
    """Return what a plan does with a resource."""
    return list(change["change"]["actions"])


def line(change: dict[str, Any]) -> str:
    """Say in one line what a plan does with a resource; nothing where it does nothing."""
    before, after = (change["change"].get(side) or {} for side in ("before", "after"))
    words = {"create": "create", "update": "change", "delete": "DESTROY"}
    word = "REPLACE" if len(actions(change)) > 1 else words.get(actions(change)[0], "")
    if change["change"].get("importing"):
        word = "take over"
    if not word or change["mode"] != "managed":
        return ""
    said = {**before, **after}
    name = said.get("role") or said.get("repository") or said.get("name") or change["address"]
    name = "for GitHub" if change["type"] == "aws_iam_openid_connect_provider" else name
    text = f"{word:<10} {WORDS.get(change['type'], change['type'])} {name}"
    changed = sorted(key for key in after if before.get(key) != after[key])
    return text + (f": {', '.join(changed)}" if "update" in actions(change) and changed else "")


def wrapped(text: str, indent: str = "") -> str:
    """Return a text in lines of at most 100 characters; what is behind the first is indented."""
    lines = [
        textwrap.fill(
            *(line, 100),
            subsequent_indent=indent + " " * (len(line) - len(line.lstrip())),
            replace_whitespace=False,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in text.split("\n")
    ]
    return f"\n{indent}".join(lines)


def print_problem(problem: Problem) -> None:
    """Print what is wrong and what follows, then what to type, a command a line.<% endraw %>"""
    print(wrapped(str(problem)), *(f"  {command}" for command in problem.commands), sep="\n")
