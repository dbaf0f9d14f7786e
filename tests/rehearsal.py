"""The main job from end to end, without an AWS account: from answers to one image in ECR.

    make rehearse
    make rehearse ARGS="deploy_on=branch"

Real: cookiecutter, the project's bootstrap, git, Terraform, the AWS provider, deploy.yml, the tool,
a runner (act), the AWS CLI. Stand-ins (tests/standins): MiniStack for AWS, hub.py with its gh for
GitHub, actions/ for the actions, and a token that is signed here. The generated project is not
edited by hand. If act cannot run, the image is pushed without deploy.yml.
"""

from __future__ import annotations

import base64
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import botocore.exceptions
from oras.client import OrasClient
from oras.logger import logger

from tests.standins import github, runner
from tests.standins.account import published
from tests.standins.emulator import Emulator, emulated_aws
from tests.standins.hub import Hub
from tests.support import run_by_act
from tests.support.desk import Desk, Ended
from tests.support.project import Failed, Project, generate

BUILD = "Build the image and push it under both tags"
PUSH = "Push both images as one, under both tags"  # with platform=both
SHA = "3f1c0f6a2b9d4e5f8071625348abcdef01234567"
Result = TypeVar("Result")


class Refusal(NamedTuple):
    """A token that the role must refuse."""

    name: str
    repository: github.Repository
    event: str
    ref: str
    audience: str = github.AUDIENCE
    environment: str | None = None

    @property
    def subject(self) -> str:
        """The subject of the token."""
        return self.repository.subject(self.event, self.ref, self.environment)


def step(text: str, action: Callable[[], Result]) -> Result:
    """Run one step and print it with the seconds it took; `{}` is filled with what it returns."""
    start = time.monotonic()
    result = action()
    print(f"{time.monotonic() - start:6.1f} s  {text.format(result)}", flush=True)
    return result


def rehearse(project: Project, emulator: Emulator, hub: Hub) -> None:
    """Set the project up with its own bootstrap, publish one image, and try forbidden things.

    Raises:
        Failed: something did not end as it must.
    """
    repository = github.Repository(project.answers["github_repository"])
    branch = project.answers["deploy_on"] == "branch"
    event = "push" if project.answers["deploy_on"] != "release" else "release"
    ref = "refs/heads/main" if branch else "refs/tags/v0.1.0"
    first = "main-1" if branch else "v0.1.0"
    environment = project.answers["github_environment"] or None

    published_by_bootstrap = set_up(Desk(project, emulator, hub))
    sha = runner.git(project.path, "rev-parse", "HEAD").strip()
    role = json.loads(project.terraform("output", "-json", "role_arns", emulator=emulator))[
        project.key
    ]
    credentials = step(
        f"assumed {role}\n          as {repository.subject(event, ref, environment)}",
        lambda: assume(
            emulator,
            role,
            github.token(repository, event, ref, sha, audience(project), environment),
        ),
    )
    login = log_in(emulator.client("ecr", credentials), emulator)
    if runs("act"):
        release(project, emulator, repository, event, ref, published_by_bootstrap)
    else:
        print(f"          {runner.INSTALL}\n          Without act, deploy.yml is not run:")
        name = f"{emulator.host}/{project.answers['ecr_repository']}"
        step(
            "pushed one image", lambda: [push(login, f"{name}:{tag}", sha) for tag in (first, sha)]
        )
    one_image(project, emulator, login, [first, sha])
    for refusal in refusals(repository, event, ref, audience(project), environment):
        step(
            f"refused {refusal.name}: {refusal.subject}"
            + (f" for {refusal.audience}" if refusal.audience != audience(project) else ""),
            lambda refusal=refusal: must_be_refused(emulator, role, refusal),  # type: ignore[misc]
        )


def audience(project: Project) -> str:
    """Return the audience that STS accepts in the project's partition."""
    return github.AUDIENCE + ".cn" * project.answers["aws_region"].startswith("cn-")


def runs(program: str) -> bool:
    """Tell whether a program exists and starts."""
    try:
        return subprocess.run([program, "--version"], capture_output=True).returncode == 0
    except OSError:
        return False


def release(
    project: Project,
    emulator: Emulator,
    repository: github.Repository,
    event: str,
    ref: str,
    published: bool,
) -> None:
    """Run the project's deploy.yml with act, then run it again, which must build nothing.

    `published` is whether bootstrap has started the first run, which is then skipped here.

    Raises:
        Failed: a run is not green, or builds when it must not; the text is its log.
    """
    _, kind, name = ref.split("/", 2)
    if kind == "tags" and not runner.git(project.path, "tag", "--list", name):
        runner.tag(project.path, name)
    attempts = [
        (1, "success", "ran deploy.yml with act"),
        (2, "skipped", "ran it again: nothing was built"),
    ]
    for attempt, built, said in attempts[published:]:
        run = step(
            said,
            lambda attempt=attempt: runner.run(  # type: ignore[misc]
                project.path,
                emulator,
                event=event,
                ref=ref,
                repository=repository,
                run_attempt=attempt,
            ),
        )
        pushing = PUSH if project.answers["platform"] == "both" else BUILD
        if run.status or run.outcome(pushing) != built:
            raise Failed(f"{said!r} was expected, but the log shows something else:\n{run.log}")


def one_image(project: Project, emulator: Emulator, login: OrasClient, tags: list[str]) -> None:
    """Check that ECR has one image under both tags, and try to move one tag.

    Raises:
        Failed: there is not one image, or the tag moves.
    """
    name = project.answers["ecr_repository"]
    images = published(emulator, name)  # the account lists them, the role cannot
    if sorted(images) != sorted(tags) or len(set(images.values())) > 1:
        raise Failed(f"ECR does not have one image under two tags: {images}")
    print(f"          one image as {tags[0]} and {tags[1]}\n          {images[tags[0]]}")
    step(
        f"refused to move {tags[0]} to another image",
        lambda: must_not_move(login, f"{emulator.host}/{name}:{tags[0]}"),
    )
    if published(emulator, name) != images:
        raise Failed(f"a refused push changed the ECR repository: {published(emulator, name)}")


def set_up(desk: Desk) -> bool:
    """Run bootstrap as a user does, then again, which must change nothing.

    Act does the run of deploy.yml that bootstrap starts. Return whether act could run, so that the
    first image is published.

    Raises:
        Failed: it does not end with 0, or changes something the second time.
    """
    if desk.project.answers["oidc_provider"] == "existing":
        step(
            "the account has a provider already: {}",
            lambda: desk.emulator.client("iam").create_open_id_connect_provider(
                Url=github.ISSUER, ClientIDList=[github.AUDIENCE]
            )["OpenIDConnectProviderArn"],
        )
    acts = runs("act")
    options = ("--yes",) if acts else ("--yes", "--no-release")
    if acts:
        where = (desk.emulator.endpoint, desk.emulator.account, desk.emulator.region)
        name = desk.project.answers["github_repository"]
        by_act = run_by_act.command(*where, desk.hub.bare(name), name)
        desk.hub.user(in_new={"course": {"runner": by_act}})
    first = step("bootstrap: {0.shown}", lambda: ended(desk.bootstrap(*options), "Apply complete"))
    if acts:
        print(f"          it ran deploy.yml with act: {ended(first.run, 'Published ').shown}")
    again = step(
        "bootstrap, again: {0.shown}",
        lambda: ended(desk.bootstrap(*options), "Nothing to do"),
    )
    step("doctor: {0.shown}", lambda: ended(desk.doctor(), "ok       role"))
    print(f"          next: {again.last}")
    return acts


class Said(NamedTuple):
    """The output of a command: the expected line, the last line, and everything."""

    shown: str
    last: str
    run: Ended


def ended(run: Ended, start: str) -> Said:
    """Return the first line of a successful command that begins with a text, and its last line.

    Raises:
        Failed: it did not succeed, or no line begins with the text.
    """
    found = [line for line in run.out.splitlines() if line.startswith(start)]
    if run.status or not found:
        raise Failed(f"{start!r} and exit status 0 were expected, not {run.status}:\n{run.out}")
    shown, last = (" ".join(line.split()) for line in (found[0], run.out.splitlines()[-1]))
    return Said(shown, last, run)


def assume(emulator: Emulator, role: str, token: str) -> dict[str, str]:
    """Return the credentials that STS gives for a token, without any access key."""
    answer = emulator.client("sts").assume_role_with_web_identity(
        RoleArn=role, RoleSessionName="rehearsal", WebIdentityToken=token, DurationSeconds=3600
    )
    return answer["Credentials"]  # type: ignore[no-any-return]


def log_in(registry: Any, emulator: Emulator) -> OrasClient:
    """Return a client for the registry, with the password that ECR gives to the role."""
    given = registry.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    logger.set_level(logging.CRITICAL)  # a refusal is expected, and its exception reports it
    client = OrasClient(
        hostname=emulator.host, insecure=True, tls_verify=False, auth_backend="basic"
    )
    client.auth.set_basic_auth(*base64.b64decode(given).decode().split(":", 1))
    return client


def push(login: OrasClient, name: str, sha: str) -> str:
    """Push one small image that is labelled with its commit; return its digest.

    Raises:
        ValueError: the registry refuses it.
    """
    with tempfile.TemporaryDirectory() as folder:
        layer = Path(folder, "layer.txt")
        layer.write_text(f"built from {sha}\n")
        answer = login.push(
            target=name,
            files=[str(layer)],
            manifest_annotations={"org.opencontainers.image.revision": sha},
            disable_path_validation=True,
            quiet=True,
        )
    return str(answer.headers["Docker-Content-Digest"])


def must_not_move(login: OrasClient, name: str) -> None:
    """Push another image under a tag that is taken.

    Raises:
        Failed: the registry accepts it.
    """
    try:
        push(login, name, SHA[::-1])
    except ValueError as refused:
        if "/manifests/" not in str(refused):  # layers may be pushed, only the tag must be refused
            raise
        return
    raise Failed(f"{name} was moved to another image")


def refusals(
    repository: github.Repository,
    event: str,
    ref: str,
    own: str = github.AUDIENCE,
    environment: str | None = None,
) -> list[Refusal]:
    """Return tokens that the role must refuse; each differs in one thing from the trusted one."""
    owner, name = repository.full_name.split("/")
    other = repository._replace(full_name=f"{owner}/{name}-2")
    elsewhere = repository._replace(owner_id=654321)
    site = f"https://github.com/{owner}"
    return [
        Refusal("another repository", other, event, ref, own, environment),
        Refusal("another branch", repository, "push", "refs/heads/feature", own),
        Refusal("a pull request", repository, "pull_request", "refs/pull/1/merge", own),
        Refusal("another owner id", elsewhere, event, ref, own, environment),
        Refusal("another audience", repository, event, ref, site, environment),
    ]


def must_be_refused(emulator: Emulator, role: str, refusal: Refusal) -> None:
    """Try to assume the role with a token that it must not trust.

    Raises:
        Failed: the role accepts it.
    """
    _, repository, event, ref, aud, environment = refusal
    token = github.token(repository, event, ref, SHA, aud, environment)
    try:
        assume(emulator, role, token)
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in ("AccessDenied", "InvalidIdentityToken"):
            raise
        return
    raise Failed(f"the role accepted a token of {refusal.name}: {refusal}")


def main(answers: list[str]) -> int:
    """Rehearse a project with the given answers in a temporary folder; return the exit status."""
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as name:
        folder = Path(name)
        try:
            project = step("generated {0.path.name}", lambda: generate(folder, answers))
            if project.answers["second_tag"] == "latest":
                raise Failed(
                    "second_tag=latest cannot be rehearsed: the emulator has no exclusion filters. "
                    "Leave it out, or use second_tag=commit"
                )
            account, region = project.answers["aws_account_id"], project.answers["aws_region"]
            with emulated_aws(account, region, folder / "emulator.log") as emulator:
                print(f"          AWS account {account} is emulated at {emulator.endpoint}")
                rehearse(project, emulator, Hub(folder / "hub"))
        except Failed as failed:
            print(failed, file=sys.stderr)
            return 1
    print("ECR has one image under two tags, and the role refused five other tokens.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
