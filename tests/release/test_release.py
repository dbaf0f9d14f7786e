"""deploy.yml, run by act: what a release leaves in the registry, and what a person then reads.

Every run is searched for tokens and credentials (tests/standins/runner.py, leaks). Both seconds and
attempts matter to who waits for a refusal: the attempts are counted here, the seconds are in make
bench.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bake, Copy
from tests.rehearsal import BUILD
from tests.standins import runner
from tests.standins.account import granted
from tests.standins.emulator import ROOT, Emulator
from tests.support.release import DEPLOY, REPOSITORY, TFVARS, Release, errors

PAGE = (ROOT / "docs/troubleshooting.md").read_text()
HOST = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
IMMUTABLE_WITH_EXCLUSION = "MUTABLE"  # the emulator has no exclusion filters


Start = Callable[..., Release]


@pytest.fixture
def start(copy: Copy, emulator: Emulator) -> Start:
    """Return a function that generates a project and makes its account, without Terraform."""

    def with_answers(answers: dict[str, str] | None = None, **account: Any) -> Release:
        return Release(copy(**(answers or {})), emulator, **account)

    return with_answers


def test_a_session_name_that_sts_refuses_is_named_and_not_said_to_be_given(start: Start) -> None:
    made = start()
    made.edit(DEPLOY, "SESSION: run-${{ github.run_id }}", "SESSION: run ${{ github.run_id }}")
    made.commit("v0.1.0")
    run = made.publish()
    assert run.status == 1
    (error,) = errors(run)
    assert error.startswith("The role was refused::AWS refuses the session name 'run ")
    assert "role-session-name: run-${{ github.run_id }}" in error
    assert "The job can assume the role now" not in run.log


# Releases that are as they should be


def test_a_first_release_is_one_image_under_two_tags(start: Start) -> None:
    made = start()
    sha = made.commit("v0.1.0")
    run = made.publish()
    assert run.status == 0, run.log
    assert (run.jobs, set(made.tags)) == (
        {"publish": "success", "refuse": "skipped"},
        {"v0.1.0", sha},
    )
    (digest,) = set(made.tags.values())
    uri = f"{HOST}/example-service@{digest}"
    assert run.summary.startswith("### Published v0.1.0\n")
    for shown in (uri, f"docker pull {uri}", f"`v0.1.0`, `{sha}`", "linux/amd64", "-1`"):
        assert shown in run.summary
    assert errors(run) == []


def test_the_same_run_again_builds_nothing_and_is_green(start: Start) -> None:
    made = start()
    made.commit("v0.1.0")
    made.publish()
    before = made.tags
    again = made.publish(run_attempt=2)
    assert (again.status, again.outcome(BUILD), made.built()) == (0, "skipped", 0)
    assert made.tags == before
    assert again.summary.startswith("### v0.1.0 was already published: nothing was built\n")
    assert before["v0.1.0"] in again.summary


def test_a_second_tag_on_a_commit_names_its_image_without_a_build(start: Start) -> None:
    made = start()
    made.commit("v0.1.0", "v0.2.0")
    made.publish()
    before = made.tags
    second = made.publish("v0.2.0")
    assert (second.status, second.outcome(BUILD), made.built()) == (0, "skipped", 0)
    assert made.tags == {**before, "v0.2.0": before["v0.1.0"]}
    assert "### Published v0.2.0: ECR already had the image of this commit\n" in second.summary


def test_a_new_commit_is_a_new_image_and_the_old_one_stays(start: Start) -> None:
    made = start()
    made.commit("v0.1.0")
    made.publish()
    before = made.tags
    made.edit("app/server.py", "import", "\nimport")
    sha = made.commit("v0.2.0")
    assert made.publish("v0.2.0").status == 0
    assert made.tags == {**before, "v0.2.0": made.tags[sha], sha: made.tags[sha]}
    assert made.tags[sha] not in before.values()


def test_a_git_tag_that_was_moved_is_refused_and_changes_nothing(start: Start) -> None:
    made = start()
    first = made.commit("v0.1.0")
    made.publish()
    before = made.tags
    second = made.commit("v0.1.0")
    run = made.publish()
    assert (run.status, run.outcome(BUILD), made.tags) == (1, "skipped", before)
    (error,) = errors(run)
    assert f"v0.1.0 already names the image of commit {first}" in error
    assert f"this run is for commit {second}" in error
    assert f"gh release create vNEXT --target {second} --generate-notes" in run.summary
    assert f"git push --force origin {first}:refs/tags/v0.1.0" in run.summary


def test_two_tags_of_one_commit_at_once_are_both_green_on_one_digest(start: Start) -> None:
    made = start()
    sha = made.commit("v0.1.0", "v0.2.0")
    runs: dict[str, runner.Run] = {}

    def publish(tag: str) -> None:
        runs[tag] = made.publish(tag)

    threads = [threading.Thread(target=publish, args=[tag]) for tag in ("v0.1.0", "v0.2.0")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [run.status for run in runs.values()] == [0, 0], [run.log for run in runs.values()]
    assert set(made.tags) == {"v0.1.0", "v0.2.0", sha}
    (digest,) = set(made.tags.values())
    assert all(digest in run.summary for run in runs.values())


def test_who_loses_a_race_takes_the_winners_image(start: Start) -> None:
    made = start()
    made.let_another_run_win("Set up the builder")
    sha = made.commit("v0.1.0")
    run = made.publish()
    assert (run.status, run.outcome(BUILD)) == (0, "failure"), run.log
    assert made.tags == {sha: made.tags[sha], "v0.1.0": made.tags[sha]}
    assert errors(run) == []
    assert "the push reported an error, but ECR has the image" in run.summary
    assert f"@{made.tags[sha]}" in run.summary


def test_a_later_job_gets_digest_and_tag(start: Start) -> None:
    made = start()
    path = made.project.path / DEPLOY
    path.write_text(
        path.read_text()
        + """
  use:
    needs: publish
    runs-on: ubuntu-24.04
    steps:
      - env:
          DIGEST: ${{ needs.publish.outputs.image-digest }}
          TAG: ${{ needs.publish.outputs.image-tag }}
        run: echo "deploy $TAG as $DIGEST"
"""
    )
    made.commit("v0.1.0")
    run = made.publish()
    assert f"deploy v0.1.0 as {made.tags['v0.1.0']}" in run.log


@pytest.mark.parametrize(
    ("deploy_on", "event"), [("release", "workflow_dispatch"), ("tag", "push")]
)
def test_a_tag_is_published_by_hand_and_by_a_push_under_the_same_trust(
    start: Start, deploy_on: str, event: str
) -> None:
    made = start({"deploy_on": deploy_on})
    sha = made.commit("v0.1.0")
    assert made.publish(event=event).status == 0
    assert set(made.tags) == {"v0.1.0", sha}


def test_a_push_to_main_is_numbered_and_a_re_run_builds_nothing(start: Start) -> None:
    made = start({"deploy_on": "branch"})
    one = made.commit()
    assert made.publish("main", "push", run_number=1).status == 0
    two = made.commit()
    assert made.publish("main", "push", run_number=2).status == 0
    before = made.tags
    assert set(before) == {"main-1", one, "main-2", two}
    again = made.publish("main", "push", sha=one, run_number=1, run_attempt=2)
    assert (again.status, again.outcome(BUILD), made.tags) == (0, "skipped", before)
    by_hand = made.publish("main", "workflow_dispatch", run_number=3)
    assert (by_hand.status, by_hand.outcome(BUILD)) == (0, "skipped")
    assert made.tags == {**before, "main-3": before[two]}


def test_latest_never_moves_back_simulated_with_movable_tags(start: Start) -> None:
    made = start({"second_tag": "latest"}, mutability=IMMUTABLE_WITH_EXCLUSION)
    made.commit("v1.9.0")
    assert made.publish("v1.9.0").status == 0
    assert made.tags["latest"] == made.tags["v1.9.0"]
    made.commit("v1.10.0")
    assert made.publish("v1.10.0").status == 0
    newest = made.tags
    assert newest["latest"] == newest["v1.10.0"] != newest["v1.9.0"]
    again = made.publish("v1.9.0", run_attempt=2)
    assert (again.status, made.tags) == (0, newest)
    assert "latest (names v1.10.0)" in again.summary
    made.commit("v1.9.1", "v2.0.0-rc.1")
    for late in ("v1.9.1", "v2.0.0-rc.1"):
        assert made.publish(late).status == 0
        assert made.tags["latest"] == newest["v1.10.0"]
    assert set(made.tags) == {"v1.9.0", "v1.10.0", "v1.9.1", "v2.0.0-rc.1", "latest"}


def test_three_answers_of_500_are_overcome(start: Start) -> None:
    made = start()
    sha = made.commit("v0.1.0")
    calls = ("AssumeRoleWithWebIdentity", "BatchGetImage")
    run = made.publish(failing=tuple((call, 500, 3) for call in calls))
    assert (run.status, set(made.tags)) == (0, {"v0.1.0", sha}), run.log


# Names and refs that nothing is published for


@pytest.mark.parametrize(
    ("tag", "mended"), [("v0.1.0+build.5", "v0.1.0-build.5"), ("v0.1.0/x", "v0.1.0-x")]
)
def test_a_tag_that_no_image_can_have_stops_before_any_call_to_aws(
    start: Start, tag: str, mended: str
) -> None:
    made = start()
    made.commit(tag)
    run = made.publish(tag)
    assert (run.status, run.tokens, made.aws.calls()) == (1, 0, [])
    (error,) = errors(run)
    assert f"{tag} cannot be the tag of an image" in error
    assert "delete" not in run.summary
    assert f"\ngh release create {mended} --target " in run.summary


@pytest.mark.parametrize(
    ("ref", "event", "advice"),
    [
        ("nightly", "release", "make release VERSION=vNEXT"),
        ("main", "workflow_dispatch", "gh workflow run deploy.yml --ref vTAG"),
    ],
)
def test_what_the_role_does_not_trust_gets_the_advice_and_no_token(
    start: Start, ref: str, event: str, advice: str
) -> None:
    made = start()
    made.commit("nightly")
    run = made.publish(ref, event)
    assert run.jobs == {"publish": "skipped", "refuse": "failure"}
    assert (run.status, run.tokens, made.aws.calls()) == (1, 0, [])
    (error,) = errors(run)
    assert "is not a tag that begins with v" in error
    assert "Tag a part of the repository as v1.2.0-PART, not as PART/v1.2.0." in error
    assert advice in error
    assert advice in run.summary


# The role is refused


def refused(made: Release, **more: Any) -> str:
    """Publish; return what the summary says of a refused role. Check what holds for all of them."""
    run = made.publish(**more)
    assert made.tags == {}
    assert (run.status, run.outcome("Assume the role")) == (1, "failure"), run.log
    assert run.outcome("Say why the role was refused") == "failure"
    assert run.outcome("Log in to the registry") == "skipped"
    (error,) = errors(run)
    assert error.startswith("The role was refused::")
    assert "infra/ trusts" in run.log
    # Nothing but the attempts stands between the refusal and the reason, and they are short.
    assert "timed out" not in run.log
    waits = [int(each) for each in re.findall(r"Retrying after (\d+)ms", run.log)]
    assert (len(waits), sum(waits) < 50 * 2**4) == (4, True)
    return run.summary


def test_a_timer_of_the_action_holds_up_the_reason(start: Start) -> None:
    made = start(subjects=["repo:octo-org/another:*"])
    attempts = "retry-max-attempts: 4"
    made.edit(DEPLOY, attempts, f"action-timeout-s: 3\n          {attempts}")
    made.commit("v0.1.0")
    log = made.publish().log
    assert log.index("Action timed out after 3 seconds") < log.index("title=The role was refused")


@pytest.mark.parametrize(
    ("prefix", "why", "mend"),
    [
        (
            "repo:octo-org/example-service",
            "GitHub presents a subject with numeric ids",
            "make bootstrap\n",
        ),
        (
            "repo:octo-org@123456/example-service@1",
            "deleted and created again",
            'make bootstrap ARGS="--repository octo-org/example-service"\n',
        ),
    ],
    ids=["ids missing", "ids other"],
)
def test_wrong_ids_are_named_and_asked_for(start: Start, prefix: str, why: str, mend: str) -> None:
    made = start(subjects=[f"{prefix}:ref:refs/tags/v*"])
    made.edit(TFVARS, REPOSITORY.subject_prefix, prefix)
    made.commit("v0.1.0")
    said = refused(made)
    assert f"{REPOSITORY.subject_prefix}:ref:refs/tags/v0.1.0" in said
    assert f"{prefix}:ref:refs/tags/v*" in said
    assert why in said
    assert f"```text\n{mend}" in said
    assert "\ngh run rerun " in said
    if prefix.endswith("@1"):
        (example,) = re.findall(r"<!-- refused -->\n~~~text\n(.*?)~~~", PAGE, re.DOTALL)
        assert example in re.sub(r"gh run rerun \d+", "gh run rerun RUN_ID", said)
        promise = "When AWS refuses the role, the job says within seconds which subject GitHub"
        assert promise in " ".join(PAGE.split())  # which refused() looks at
    # Four attempts of the action, and one question of the diagnosis.
    assert made.aws.calls().count("AssumeRoleWithWebIdentity") == 5


def test_an_environment_that_only_the_job_has_is_named(start: Start) -> None:
    made = start()
    made.edit(
        DEPLOY, "    timeout-minutes: 30\n", "    timeout-minutes: 30\n    environment: prod\n"
    )
    made.commit("v0.1.0")
    said = refused(made)
    assert f"{REPOSITORY.subject_prefix}:environment:prod" in said
    assert 'write "environment": "prod" in infra/terraform.tfvars.json' in said


def test_a_ref_that_the_role_does_not_trust_is_named(start: Start) -> None:
    made = start(subjects=[f"{REPOSITORY.subject_prefix}:ref:refs/heads/main"])
    made.edit(TFVARS, "refs/tags/v*", "refs/heads/main")
    made.commit("v0.1.0")
    said = refused(made)
    assert "The role trusts ref:refs/heads/main, but this run is for refs/tags/v0.1.0." in said
    assert "gh workflow run deploy.yml --ref main" in said


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Octo-Org/example-service", "upper and lower case"),
        ("octo-org/renamed", "it is octo-org/renamed now"),
    ],
)
def test_a_repository_of_another_name_is_named(start: Start, name: str, why: str) -> None:
    made = start()
    made.commit("v0.1.0")
    said = refused(made, repository=REPOSITORY._replace(full_name=name))
    assert why in said
    assert "```text\nmake bootstrap\n" in said


def test_a_missing_provider_is_named(start: Start) -> None:
    made = start(provider=False)
    made.commit("v0.1.0")
    said = refused(made)
    assert "The account 111122223333 has no OIDC identity provider for GitHub" in said
    assert "make bootstrap\ngh run rerun" in said


def test_a_role_that_was_never_applied_is_guessed_last(start: Start, emulator: Emulator) -> None:
    made = start()
    emulator.client("iam").delete_role_policy(
        RoleName="example-service-push", PolicyName="example-service"
    )
    emulator.client("iam").delete_role(RoleName="example-service-push")
    made.commit("v0.1.0")
    said = refused(made)
    assert "make bootstrap was never run" in said
    assert "Not authorized to perform sts:AssumeRoleWithWebIdentity" in said


def test_an_expired_token_is_named(start: Start) -> None:
    made = start()
    made.commit("v0.1.0")
    said = refused(made, lifetime=-60)
    assert "The token had expired" in said
    assert "gh run rerun " in said


def test_a_job_without_the_permission_is_told_which(start: Start) -> None:
    made = start()
    made.edit(DEPLOY, "      id-token: write # the OIDC token that assumes the role\n", "")
    made.commit("v0.1.0")
    assert "id-token: write" in refused(made)


# The role is given, and something else is wrong


def test_a_missing_repository_is_named(start: Start) -> None:
    made = start(repository=False)
    made.commit("v0.1.0")
    run = made.publish()
    assert (run.status, run.outcome(BUILD), made.tags) == (1, "skipped", {})
    (error,) = errors(run)
    assert "There is no ECR repository example-service in us-east-1" in error
    assert "make bootstrap" in error


def test_another_region_in_the_workflow_is_named(start: Start) -> None:
    made = start()
    made.edit(DEPLOY, 'aws-region: "us-east-1"', 'aws-region: "eu-west-1"')
    made.commit("v0.1.0")
    run = made.publish()
    (error,) = errors(run)
    assert (run.status, run.outcome(BUILD), made.tags) == (1, "skipped", {})
    assert "in eu-west-1, but infra/terraform.tfvars.json says us-east-1" in error
    assert "Write aws-region: us-east-1 in deploy.yml" in error


@pytest.mark.parametrize("missing", ["ecr:PutImage", "ecr:BatchGetImage"])
def test_a_role_that_may_not_push_is_named(bake: Bake, start: Start, missing: str) -> None:
    made = start(actions=[action for action in granted(bake()) if action != missing])
    made.commit("v0.1.0")
    run = made.publish()
    (error,) = errors(run)
    assert (run.status, made.tags) == (1, {})
    assert "The role does not have permission to do this" in error
    assert missing in error
    assert "make bootstrap" in error


def test_a_tag_that_somebody_else_has_taken_is_named(start: Start) -> None:
    made = start()
    sha = made.commit("v0.1.0")
    made.publish()
    digest = made.tags[sha]
    found = made.aws.client("ecr").batch_get_image(
        repositoryName="example-service", imageIds=[{"imageDigest": digest}]
    )["images"][0]
    manifest = json.loads(found["imageManifest"])
    del manifest["annotations"]
    made.aws.client("ecr").put_image(
        repositoryName="example-service", imageManifest=json.dumps(manifest), imageTag="v0.2.0"
    )
    before = made.tags
    made.commit("v0.2.0")
    run = made.publish("v0.2.0")
    assert (run.status, made.tags) == (1, before)
    assert "v0.2.0 already names an image that names no commit" in run.summary


def test_a_registry_that_is_down_is_told_from_a_role_that_may_not_push(start: Start) -> None:
    made = start()
    sha = made.commit("v0.1.0")
    run = made.publish(failing=(("/v2/", 503, 1000),))
    assert (run.status, run.outcome(BUILD), made.tags) == (1, "failure", {})
    (error,) = errors(run)
    assert error.startswith("The release is not complete::")
    assert "the role has permission to push" in error
    assert "gh run rerun" in error
    assert made.publish(run_attempt=2).status == 0
    assert set(made.tags) == {"v0.1.0", sha}


def test_an_image_that_cannot_be_built_is_no_green_job(start: Start) -> None:
    made = start()
    dockerfile = Path(made.project.path, "Dockerfile")
    dockerfile.write_text(dockerfile.read_text() + "RUN false\n")
    made.commit("v0.1.0")
    run = made.publish()
    assert (run.status, run.jobs["publish"], made.tags) == (1, "failure", {})
    assert "If the Dockerfile fails" in run.summary


def test_a_push_that_stops_between_its_tags_is_completed(start: Start) -> None:
    made = start()
    sha = made.commit("v0.1.0")
    run = made.publish(failing=(("manifests/v0.1.0 PUT", 503, 1),))
    assert (run.status, run.outcome(BUILD)) == (0, "failure")
    assert made.tags == {sha: made.tags[sha], "v0.1.0": made.tags[sha]}
    assert "the push reported an error, but ECR has the image" in run.summary
