"""deploy.yml with platform=both, run by act: what each job may do, and what the last one pushes.

act gives all jobs of a run the address of GitHub's tokens. So what a build job cannot do is
shown in runs of build jobs alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Bake, Copy
from tests.rehearsal import PUSH
from tests.standins.account import granted
from tests.standins.emulator import Emulator
from tests.support.release import DEPLOY, REPOSITORY, Release, errors

BUILDS = ("build-amd64", "build-arm64")
NOTHING_BUILT = {"look": "success", "build-amd64": "skipped", "build-arm64": "skipped"}
NOTHING_BUILT |= {"publish": "success", "refuse": "skipped"}
REVISION = "org.opencontainers.image.revision"

Start = Callable[..., Release]


@pytest.fixture
def start(copy: Copy, emulator: Emulator) -> Start:
    """Return a function that generates a project for both platforms and makes its account."""

    def with_answers(answers: dict[str, str] | None = None, **account: Any) -> Release:
        return Release(copy(platform="both", **(answers or {})), emulator, **account)

    return with_answers


def index_of(made: Release, tag: str) -> dict[str, Any]:
    """Return the index that a tag names, as ECR returns it."""
    found = made.aws.client("ecr").batch_get_image(
        repositoryName="example-service", imageIds=[{"imageTag": tag}]
    )
    return dict(json.loads(found["images"][0]["imageManifest"]))


def read_deploy(made: Release) -> dict[str, Any]:
    """Return deploy.yml, as it can be written again."""
    content = yaml.safe_load((made.project.path / DEPLOY).read_text())
    events = content.pop(True, None)  # YAML 1.1 reads `on` as true, if it has no quotes
    return {**({"on": events} if events else {}), **content}


def edit_job(made: Release, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a job of deploy.yml; `change` gets it as it was read."""
    content = read_deploy(made)
    change(content["jobs"][name])
    (made.project.path / DEPLOY).write_text(yaml.safe_dump(content, sort_keys=False))


def step_of(job: dict[str, Any], action: str) -> dict[str, Any]:
    """Return the step of a job that uses an action."""
    return next(step for step in job["steps"] if step.get("uses", "").startswith(f"{action}@"))


# Releases that are as they should be


def test_a_first_release_is_one_index_of_two_images_under_two_tags(start: Start) -> None:
    made = start()
    sha = made.commit("v0.1.0")
    run = made.publish()
    assert run.status == 0, run.log
    assert run.jobs == dict.fromkeys(run.jobs, "success") | {"refuse": "skipped"}
    assert set(made.tags) == {"v0.1.0", sha}
    (digest,) = set(made.tags.values())
    index = index_of(made, "v0.1.0")
    assert [each["platform"] for each in index["manifests"]] == [
        {"os": "linux", "architecture": "amd64"},
        {"os": "linux", "architecture": "arm64"},
    ]
    assert index["annotations"] == {REVISION: sha}
    assert f"docker pull 111122223333.dkr.ecr.us-east-1.amazonaws.com/example-service@{digest}" in (
        run.summary
    )
    assert run.tokens == 2, "of the job that looks and of the one that publishes"
    assert errors(run) == []


def test_the_same_run_again_builds_nothing_and_is_green(start: Start) -> None:
    made = start()
    made.commit("v0.1.0")
    made.publish(run_id=17)
    before = made.tags
    again = made.publish(run_id=17, run_attempt=2)
    assert (again.status, again.jobs, made.built()) == (0, NOTHING_BUILT, 0), again.log
    assert made.tags == before
    assert again.summary.startswith("### v0.1.0 was already published: nothing was built\n")


def test_a_second_version_of_a_commit_names_its_index_without_a_build(start: Start) -> None:
    made = start()
    made.commit("v0.1.0", "v0.2.0")
    made.publish()
    before = made.tags
    second = made.publish("v0.2.0")
    assert (second.status, second.jobs, made.built()) == (0, NOTHING_BUILT, 0), second.log
    assert made.tags == {**before, "v0.2.0": before["v0.1.0"]}
    assert "### Published v0.2.0: ECR already had the image of this commit\n" in second.summary


def test_a_git_tag_that_was_moved_is_refused_before_anything_is_built(start: Start) -> None:
    made = start()
    first = made.commit("v0.1.0")
    made.publish()
    before = made.tags
    second = made.commit("v0.1.0")
    run = made.publish()
    expected = {**NOTHING_BUILT, "look": "failure", "publish": "skipped"}
    assert (run.status, run.jobs, made.tags) == (1, expected, before)
    (error,) = errors(run)
    assert f"v0.1.0 already names the image of commit {first}" in error
    assert f"this run is for commit {second}" in error


def test_latest_names_the_newest_index_simulated_with_movable_tags(start: Start) -> None:
    made = start({"second_tag": "latest"}, mutability="MUTABLE")
    sha = made.commit("v0.1.0")
    run = made.publish()
    assert run.status == 0, run.log
    assert set(made.tags) == {"v0.1.0", "latest"}
    assert index_of(made, "latest")["annotations"] == {REVISION: sha}
    again = made.publish(run_attempt=2)
    assert (again.status, again.jobs, made.built()) == (0, NOTHING_BUILT, 0)


def test_an_environment_is_asked_for_by_the_job_that_publishes_alone(start: Start) -> None:
    prefix = REPOSITORY.subject_prefix
    made = start(
        {"github_environment": "production"}, subjects=[f"{prefix}:environment:production"]
    )
    sha = made.commit("v0.1.0")
    jobs = read_deploy(made)["jobs"]
    asking = [name for name, job in jobs.items() if "environment" in job]
    assert (asking, "look" in jobs) == (["publish"], False)
    kept = {
        step_of(jobs[name], "actions/upload-artifact")["with"]["retention-days"] for name in BUILDS
    }
    assert kept == {30}, "as long as a job may wait for its approval"
    run = made.publish()
    assert (run.status, set(made.tags), run.tokens) == (0, {"v0.1.0", sha}, 1), run.log
    before = made.tags
    again = made.publish(run_attempt=2)
    assert (again.status, made.tags, made.built()) == (0, before, 0), "built again, and not pushed"


# What goes wrong


def test_a_build_that_fails_publishes_nothing_and_says_which(start: Start) -> None:
    made = start()
    edit_job(
        made,
        "build-arm64",
        lambda job: step_of(job, "docker/build-push-action")["with"].update(target="nowhere"),
    )
    made.commit("v0.1.0")
    run = made.publish()
    assert (run.status, made.tags) == (1, {})
    assert run.jobs["build-amd64"] == "success"
    assert run.jobs["build-arm64"] == "failure"
    assert run.jobs["publish"] == "skipped"
    assert 'target stage "nowhere" could not be found' in run.log


def other_bytes(job: dict[str, Any]) -> None:
    """Build once more into the same folder, so the artifact holds what no job has put out."""
    again = {**step_of(job, "docker/build-push-action"), "id": "again", "name": "Build once more"}
    job["steps"].insert(-1, again)


def no_upload(job: dict[str, Any]) -> None:
    """Hand nothing on."""
    job["steps"].pop()


def of_another_commit(job: dict[str, Any]) -> None:
    """Let the image say that it is of another commit."""
    step_of(job, "docker/build-push-action")["with"]["annotations"] = f"{REVISION}={'0' * 40}"


def for_the_other_platform(job: dict[str, Any]) -> None:
    """Build for the wrong platform."""
    step_of(job, "docker/build-push-action")["with"]["platforms"] = "linux/amd64"


def with_an_attestation(job: dict[str, Any]) -> None:
    """Let BuildKit add its attestation, which makes an index of the image."""
    del step_of(job, "docker/build-push-action")["with"]["provenance"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_bytes, r"built sha256:\w+, but its artifact holds sha256:\w+\. Something else"),
        (no_upload, "The build job for linux/arm64 left no image"),
        (of_another_commit, f"The image for linux/arm64 names commit {'0' * 40}"),
        (for_the_other_platform, "The image for linux/arm64 was built for linux/amd64"),
        (with_an_attestation, "linux/arm64 holds an index and not one image"),
    ],
)
def test_an_image_that_is_not_what_was_built_is_not_pushed(
    start: Start, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    made = start()
    edit_job(made, "build-arm64", change)
    made.commit("v0.1.0")
    run = made.publish()
    assert (run.status, run.outcome(PUSH), made.tags) == (1, "failure", {}), run.log
    (error,) = errors(run)
    assert re.search(said, error), error
    assert "nothing was pushed" in error


def test_who_loses_a_race_takes_the_winners_image(start: Start) -> None:
    made = start()
    made.let_another_run_win("Set up Buildx")
    sha = made.commit("v0.1.0")
    run = made.publish()
    assert run.status == 0, run.log
    assert made.tags == {sha: made.tags[sha], "v0.1.0": made.tags[sha]}
    assert errors(run) == []
    assert "The push reported an error, but ECR has an image of this commit." in run.log
    assert f"@{made.tags[sha]}" in run.summary


def test_a_refused_role_is_explained_before_anything_is_built(start: Start) -> None:
    made = start(subjects=["repo:octo-org/another:*"])
    made.commit("v0.1.0")
    run = made.publish()
    expected = {**NOTHING_BUILT, "look": "failure", "publish": "skipped"}
    assert (run.status, run.jobs, made.tags) == (1, expected, {})
    (error,) = errors(run)
    assert error.startswith("The role was refused::")


def test_a_role_that_may_not_push_is_named(bake: Bake, start: Start) -> None:
    made = start(actions=[each for each in granted(bake()) if each != "ecr:PutImage"])
    made.commit("v0.1.0")
    run = made.publish()
    (error,) = errors(run)
    assert (run.status, made.tags) == (1, {})
    assert "The role does not have permission to do this" in error
    assert "ecr:PutImage" in error


def test_a_registry_that_is_down_is_named_and_nothing_is_built_again(start: Start) -> None:
    made = start()
    sha = made.commit("v0.1.0")
    run = made.publish(failing=(("/v2/", 503, 1000),))
    assert (run.status, run.outcome(PUSH), made.tags) == (1, "failure", {})
    (error,) = errors(run)
    assert "The images were built but not pushed" in error
    assert re.search(r"gh run rerun \d+ --failed", error)
    assert made.publish(run_attempt=2).status == 0
    assert set(made.tags) == {"v0.1.0", sha}


def test_a_push_that_stops_between_its_tags_is_completed(start: Start) -> None:
    made = start()
    sha = made.commit("v0.1.0")
    run = made.publish(failing=(("manifests/v0.1.0 PUT", 503, 1),))
    assert run.status == 0, run.log
    assert made.tags == {sha: made.tags[sha], "v0.1.0": made.tags[sha]}


def test_a_ref_that_the_role_does_not_trust_starts_no_job_but_the_one_that_says_so(
    start: Start,
) -> None:
    made = start()
    made.commit("nightly")
    run = made.publish("nightly")
    expected = dict.fromkeys(run.jobs, "skipped") | {"refuse": "failure"}
    assert (run.status, run.jobs, run.tokens, made.aws.calls()) == (1, expected, 0, [])


# What a job can do, in runs without the others


def only(made: Release, *names: str) -> str:
    """Write a workflow of some jobs of deploy.yml, which wait for no other; return its path."""
    content = read_deploy(made)
    content["jobs"] = {name: content["jobs"][name] for name in names}
    for job in content["jobs"].values():
        del job["needs"], job["if"]
    text = yaml.safe_dump(content, sort_keys=False)
    name = f".github/workflows/{names[0]}.yml"
    Path(made.project.path, name).write_text(
        re.sub(r"needs\.([\w-]+)\.outputs\.digest", as_variable, text)
    )
    return name


def as_variable(found: re.Match[str]) -> str:
    """Read what a job has put out from a variable of the repository."""
    return f"vars.{found[1].replace('-', '_')}"


def test_build_jobs_need_no_token_and_the_publishing_job_builds_nothing(start: Start) -> None:
    made = start()
    for name in BUILDS:
        nothing = 'test -z "$ACTIONS_ID_TOKEN_REQUEST_URL$ACTIONS_ID_TOKEN_REQUEST_TOKEN"'
        digest = "echo digest ${{ steps.image.outputs.digest }}"
        more = {"name": name, "run": f"{nothing}\n{digest} {name}\n"}
        edit_job(made, name, lambda job, more=more: job["steps"].append(more))  # type: ignore[misc]
    builds, publishing = only(made, *BUILDS), only(made, "publish")
    sha = made.commit("v0.1.0")
    built = made.publish(run_id=17, workflow=builds)
    assert (built.status, built.tokens, made.aws.calls()) == (0, 0, []), built.log
    found = re.findall(r"^digest (\S+) (\S+)$", built.log, re.MULTILINE)
    digests = {name.replace("-", "_"): digest for digest, name in found}
    assert len(digests) == 2
    run = made.publish(run_id=17, workflow=publishing, variables=digests)
    assert (run.status, run.tokens, set(made.tags)) == (0, 1, {sha, "v0.1.0"}), run.log
    pushed = [each["digest"] for each in index_of(made, sha)["manifests"]]
    assert pushed == [digests[name.replace("-", "_")] for name in BUILDS]
