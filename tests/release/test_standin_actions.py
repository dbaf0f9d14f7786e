"""The stand-ins of the actions that publish: what each must refuse, as the original does."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import Copy
from tests.standins import account, runner
from tests.standins.account import published, set_up_account
from tests.standins.emulator import Emulator
from tests.support.project import Project
from tests.support.release import REPOSITORY, workflow

pytestmark = pytest.mark.slow  # act runs the workflows


ELSEWHERE = "        env: {AWS_REGION: eu-west-1}"
PROFILE = "        env: {AWS_PROFILE: production}\n"
RETRIES = "retry-max-attempts: 2"
TIMER = "action-timeout-s: 3"
UNFOLLOWED = " does not know the input "
CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"
PUBLISH = """
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1
      - name: Assume
        uses: aws-actions/configure-aws-credentials@e6de054238d6b7531b4efff3b6587d9aade6a06c
        with:
          role-to-assume: arn:aws:iam::111122223333:role/NAME
          aws-region: us-east-1
          retry-max-attempts: 2
          allowed-account-ids: ALLOWED
      - name: Log in
        id: registry
        uses: aws-actions/amazon-ecr-login@03f1aad4c6c7ffd436567f42f9384779290529bd
      - name: Build
        id: image
        uses: docker/build-push-action@53b7df96c91f9c12dcc8a07bcb9ccacbed38856a
        with:
          context: CONTEXT
          push: true
          platforms: PLATFORMS
          provenance: false
          annotations: org.opencontainers.image.revision=${{ github.sha }}
          tags: |
            ${{ steps.registry.outputs.registry }}/NAME:${{ github.run_number }}
            ${{ steps.registry.outputs.registry }}/NAME:second-${{ github.run_number }}
      - run: echo "${{ steps.image.outputs.digest }}" >> "$GITHUB_STEP_SUMMARY"
"""


class Small(NamedTuple):
    """A project of one Dockerfile and one workflow that pushes, and the account it pushes to."""

    project: Path
    aws: Emulator
    name: str

    def push(self, **more: Any) -> runner.Run:
        """Run the workflow for a push of main."""
        given = {"event": "push", "ref": "refs/heads/main", "repository": REPOSITORY} | more
        return runner.run(self.project, self.aws, **given)

    def manifest(self, tag: str) -> Any:
        """Return the manifest behind a tag."""
        (found,) = self.aws.client("ecr").batch_get_image(
            repositoryName=self.name, imageIds=[{"imageTag": tag}]
        )["images"]
        return json.loads(found["imageManifest"])


Make = Callable[..., Small]


def errors(run: runner.Run) -> list[str]:
    """Return the errors that the actions have printed."""
    return [line for line in run.log.splitlines() if line.startswith("::error::")]


@pytest.fixture
def small(tmp_path: Path, aws: Emulator, request: pytest.FixtureRequest) -> Make:
    """Return a function that makes such a project under the test's own name."""

    def make(
        dockerfile: str = "FROM scratch",
        context: str = ".",
        platforms: str = "linux/amd64",
        allowed: str = "111122223333",
        edit: tuple[str, str] = ("", ""),
        **more: Any,
    ) -> Small:
        name = f"small-{zlib.crc32(request.node.name.encode())}"
        known = {"NAME": name, "CONTEXT": context, "PLATFORMS": platforms, "ALLOWED": allowed}
        assert edit[0] in PUBLISH
        steps = PUBLISH.replace(*edit, 1)
        for word, text in known.items():
            steps = steps.replace(word, text if word != "ALLOWED" else f'"{text}"')
        answers = {"project_slug": name, "ecr_repository": name}
        path = tmp_path / "project"
        path.mkdir()
        (path / "Dockerfile").write_text(f"{dockerfile}\n")
        (path / ".cookiecutter.json").write_text(json.dumps({"default_context": answers}))
        workflow(tmp_path, steps, permissions="{contents: read, id-token: write}")
        subjects = [REPOSITORY.subject("push", "refs/heads/main")]
        set_up_account(aws, Project(path), **{"subjects": subjects, "actions": ["ecr:*"]} | more)
        return Small(path, aws, name)

    return make


def test_a_build_is_one_image_under_all_tags_and_the_next_build_is_another(small: Make) -> None:
    made = small()
    first = made.push(run_number=1)
    made.aws.clear()
    second = made.push(run_number=2)
    assert (first.status, second.status) == (0, 0), first.log + second.log
    assert made.aws.calls()[:3] == [
        "AssumeRoleWithWebIdentity",
        "GetCallerIdentity",
        "GetAuthorizationToken",
    ]
    images = published(made.aws, made.name)
    assert images == {
        **dict.fromkeys(["1", "second-1"], first.summary.strip()),
        **dict.fromkeys(["2", "second-2"], second.summary.strip()),
    }
    assert len(set(images.values())) == 2
    sha = runner.git(made.project, "rev-parse", "HEAD").strip()
    assert made.manifest("1")["annotations"] == {"org.opencontainers.image.revision": sha}


def test_a_build_for_two_platforms_is_an_index(small: Make) -> None:
    made = small(platforms="linux/amd64,linux/arm64")
    done = made.push()
    assert done.status == 0, done.log
    platforms = [entry["platform"]["architecture"] for entry in made.manifest("1")["manifests"]]
    assert platforms == ["amd64", "arm64"]
    assert published(made.aws, made.name)["1"] == done.summary.strip()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"dockerfile": "RUN false"}, 'process "/bin/sh -c false" did not complete'),
        ({"context": "lost"}, 'path "lost" not found'),
        ({"repository": False}, "NAME_UNKNOWN"),
        ({"edit": ("push: true", "push: true\n          target: run")}, 'target stage "run" could'),
        ({"edit": ("id: registry", f"id: registry\n{ELSEWHERE}")}, "403 Forbidden: denied"),
        ({"edit": ("annotations: ", "annotations: index:")}, "not supported for single platform"),
        ({"edit": ("annotations: org.opencontainers.image.revision=", "annotations: ")}, "invalid"),
        ({"edit": ("annotations: ", "annotations: image:")}, 'unknown annotation type "image"'),
    ],
    ids=[
        *("run false", "no context", "no repository", "no stage", "other region"),
        *("index", "no annotation", "kind of annotation"),
    ],
)
def test_a_build_that_cannot_be_published_ends_the_job(
    small: Make, more: dict[str, Any], says: str
) -> None:
    done = small(**more).push()
    assert (done.status, done.outcome("Build"), done.summary) == (1, "failure", "")
    (line,) = errors(done)
    assert (line.startswith("::error::buildx failed with: ERROR: "), says in line) == (True, True)


def test_a_stage_of_the_dockerfile_is_built_by_its_name(small: Make) -> None:
    made = small("FROM scratch as Run", edit=("push: true", "push: true\n          target: run"))
    done = made.push()
    assert done.status == 0, done.log


def test_a_tag_that_is_taken_is_refused_by_the_registry(small: Make) -> None:
    made = small()
    first = made.push()
    assert made.push().outcome("Build") == "failure"
    assert set(published(made.aws, made.name).values()) == {first.summary.strip()}


def test_a_registry_that_is_down_ends_the_build_and_then_works_again(small: Make) -> None:
    made = small()
    made.aws.fail("/v2/", 503)
    done = made.push()
    assert (done.outcome("Build"), "503" in done.log) == ("failure", True)
    assert made.push().status == 0


@pytest.mark.parametrize(
    ("made", "run", "says", "calls"),
    [
        (
            {"subjects": ["repo:octo-org/another:*"]},
            {},
            "Could not assume role with OIDC: Not authorized to perform",
            ["AssumeRoleWithWebIdentity"] * 2,
        ),
        (
            {},
            {"lifetime": -60},
            "Could not assume role with OIDC: Token expired",
            ["AssumeRoleWithWebIdentity"] * 2,
        ),
        (
            {},
            {"environment": "production"},
            "Could not assume role with OIDC: Not authorized to perform",
            ["AssumeRoleWithWebIdentity"] * 2,
        ),
        ({}, {"tokens": False}, "Could not load credentials from any providers", []),
        (
            {"edit": (RETRIES, f"{RETRIES}\n          role-duration-seconds: 3601")},
            {},
            "The requested DurationSeconds exceeds the MaxSessionDuration",
            ["AssumeRoleWithWebIdentity"] * 2,
        ),
        (
            {"edit": (RETRIES, f"{RETRIES}\n          role-duration-seconds: 899")},
            {},
            "Member must have value greater than or equal to 900",
            ["AssumeRoleWithWebIdentity"] * 2,
        ),
        (
            {"edit": ("        with:\n          role", f"{PROFILE}        with:\n          role")},
            {},
            "Could not load credentials from any providers",
            ["AssumeRoleWithWebIdentity"],
        ),
        (
            {"edit": (RETRIES, f"{RETRIES}\n          role-chaining: true")},
            {},
            "check your action inputs: Could not load credentials from any providers",
            [],
        ),
    ],
    ids=[
        *("subject", "expired", "environment", "no token"),
        *("too long", "too short", "profile", "chaining"),
    ],
)
def test_a_role_that_is_not_given_ends_the_job(
    small: Make, made: dict[str, Any], run: dict[str, Any], says: str, calls: list[str]
) -> None:
    project = small(**made)
    project.aws.clear()
    done = project.push(**run)
    assert (done.status, done.outcome("Assume"), done.outcome("Log in")) == (
        1,
        "failure",
        "skipped",
    )
    (line,) = errors(done)
    assert says in line
    assert project.aws.calls() == calls


def test_a_step_with_a_timer_that_fails_ends_when_the_timer_does(small: Make) -> None:
    """The original clears the timer of action-timeout-s only if it succeeds."""
    done = small(edit=(RETRIES, f"role-session-name: x\n          {TIMER}")).push()
    assert (done.outcome("Assume"), done.outcome("Log in")) == ("failure", "skipped")
    reason, last = errors(done)
    assert reason.startswith("::error::Role session name must be between 2 and 64 characters")
    assert last == "::error::Action timed out after 3 seconds"
    assert done.seconds > 3


def test_a_timer_ends_a_step_that_is_still_trying(small: Make) -> None:
    edit = (RETRIES, f"retry-max-attempts: 20\n          {TIMER}")  # for hours
    done = small(edit=edit, subjects=["repo:octo-org/another:*"]).push()
    assert (done.outcome("Assume"), done.outcome("Log in")) == ("failure", "skipped")
    assert errors(done) == ["::error::Action timed out after 3 seconds"]


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (RETRIES, f"{RETRIES}\n          use-existing-credentials: true", UNFOLLOWED),
        (RETRIES, f"{RETRIES}\n          disable-retry: yes", '"Core Schema"'),
        ("push: true", "push: true\n          attests: type=sbom", UNFOLLOWED),
        ("push: true", "push: true\n          cache-to: type=registry,ref=x", "no cache in"),
        ("push: true", "push: yes", '"Core Schema"'),
        ("id: registry", "id: registry\n        with: {registries: '444455556666'}", UNFOLLOWED),
        (f"{CHECKOUT}\n", f"{CHECKOUT}\n        with: {{submodules: true}}\n", UNFOLLOWED),
    ],
)
def test_what_a_stand_in_does_not_follow_ends_the_run(
    small: Make, before: str, after: str, says: str
) -> None:
    done = small(edit=(before, after)).push()
    (line,) = errors(done)
    assert (done.status, says in line) == (1, True)


def test_the_accounts_that_are_allowed_are_not_compared_with_a_token(small: Make) -> None:
    """As v6.2.3 has it, whatever its README says of allowed-account-ids."""
    done = small(allowed="444455556666").push()
    assert (done.status, done.outcome("Assume")) == (0, "success"), done.log


@pytest.mark.parametrize(
    ("trusted", "allowed", "says"),
    [
        (True, "111122223333", ""),
        (False, "111122223333", "Could not assume role with user credentials"),
        (True, "444455556666", "does not match any of the expected account IDs: 444455556666"),
    ],
    ids=["trusted", "not trusted", "another account"],
)
def test_a_role_is_assumed_by_the_one_before(
    small: Make, trusted: bool, allowed: str, says: str
) -> None:
    again = PUBLISH[PUBLISH.index("      - name: Assume") : PUBLISH.index("      - name: Log in")]
    chained = again.replace("Assume", "Chain").replace("role/NAME", "role/chained-NAME")
    chained = chained.replace(RETRIES, f"{RETRIES}\n          role-chaining: true")
    shown = '      - run: aws sts get-caller-identity --query Arn >> "$GITHUB_STEP_SUMMARY"\n'
    edit = ("      - name: Log in", f"{chained}{shown}      - name: Log in")
    made = small(edit=edit, allowed=allowed)
    iam = made.aws.client("iam")
    arn = f"arn:aws:iam::111122223333:role/{made.name if trusted else 'another'}"
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": arn}}
    iam.create_role(RoleName=f"chained-{made.name}", AssumeRolePolicyDocument=account.policy(trust))
    may = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    iam.put_role_policy(RoleName=made.name, PolicyName="chain", PolicyDocument=account.policy(may))
    done = made.push()
    assert done.outcome("Chain") == ("failure" if says else "success"), done.log
    assert (f"assumed-role/chained-{made.name}/" in done.summary) == (not says)
    assert says in "".join(errors(done))


def test_a_passing_error_of_sts_is_overcome(small: Make) -> None:
    made = small()
    made.aws.fail("AssumeRoleWithWebIdentity", 500, times=4)  # the SDK's three attempts and one
    done = made.push()
    assert (done.status, "attempt 1 of 2 failed" in done.log) == (0, True)


def test_a_generated_project_publishes_one_image_under_two_tags(
    copy: Copy, emulator: Emulator
) -> None:
    project = copy(deploy_on="tag")
    sha = runner.commit(project.path)
    runner.tag(project.path, "v0.1.0")
    trusted = REPOSITORY.subject("push", "refs/tags/v0.1.0")
    set_up_account(emulator, project, subjects=[trusted])
    emulator.clear()
    done = runner.run(
        project.path, emulator, event="push", ref="refs/tags/v0.1.0", repository=REPOSITORY
    )
    assert done.status == 0, done.log
    images = published(emulator, project.answers["ecr_repository"])
    assert (sorted(images), len(set(images.values()))) == (sorted(["v0.1.0", sha]), 1)
    assert emulator.calls().count("AssumeRoleWithWebIdentity") == done.tokens == 1
    assert next(iter(images.values())) in done.summary
