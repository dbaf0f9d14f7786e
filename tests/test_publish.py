"""scripts/publish.py of a generated project, held against an emulated ECR."""

from __future__ import annotations

import contextlib
import hashlib
import html
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests import runner
from tests.conftest import Script
from tests.emulator import Emulator, emulated_aws

ONE, TWO = "1" * 40, "2" * 40
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Ran(NamedTuple):
    """What a step of the script left behind."""

    status: int
    printed: str
    outputs: dict[str, str]
    summary: str


class Registry:
    """One ECR repository, and a job that publishes into it."""

    def __init__(self, emulator: Emulator, name: str, folder: Path, mutability: str) -> None:
        self.emulator, self.name, self.folder = emulator, name, folder
        self.client = emulator.client("ecr")
        self.client.create_repository(repositoryName=name, imageTagMutability=mutability)
        self.script: Any = None
        self.patch: pytest.MonkeyPatch
        self.capture: pytest.CaptureFixture[str]

    def push(self, tag: str, commit: str = "", media_type: str = MANIFEST, seed: str = "") -> str:
        """Push an image under a tag; return its digest. Its manifest has bytes of its own."""
        known = {"org.opencontainers.image.revision": commit} if commit else {}
        values = {"schemaVersion": 2, "mediaType": media_type, "annotations": known, "seed": seed}
        manifest = json.dumps(values, indent=3) + " " * 7 + "\n\n"
        digest = f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"
        self.client.put_image(
            repositoryName=self.name,
            imageManifest=manifest,
            imageManifestMediaType=media_type,
            imageDigest=digest,
            imageTag=tag,
        )
        return digest

    @property
    def tags(self) -> dict[str, str]:
        """The digest behind each tag."""
        return runner.published(self.emulator, self.name)

    def run(self, word: str, version: str = "v1.0.0", commit: str = ONE, **more: str) -> Ran:
        """Run one step of the script, as the job in deploy.yml does."""
        files = {key: self.folder / key for key in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        environment = {
            **{key: str(file) for key, file in files.items()},
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "REGISTRY": "111122223333.dkr.ecr.us-east-1.amazonaws.com",
            "ECR_REPOSITORY": self.name,
            "IMAGE_TAG": version,
            "SECOND_TAG": commit,
            "PLATFORM": "linux/amd64",
            "SESSION": "run-4711-1",
            "GITHUB_SHA": commit,
            "GITHUB_RUN_ID": "4711",
            "GITHUB_EVENT_NAME": "release",
            "GITHUB_REF_TYPE": "branch" if version.startswith("main-") else "tag",
        }
        for key, value in {**self.emulator.environment(), **environment, **more}.items():
            self.patch.setenv(key, value)
        self.capture.readouterr()
        status = self.script.main([word])
        lines = files["GITHUB_OUTPUT"].read_text().splitlines()
        outputs = dict(line.split("=", 1) for line in lines)
        summary = files["GITHUB_STEP_SUMMARY"].read_text()
        return Ran(status, self.capture.readouterr().out, outputs, summary)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One emulated AWS for all tests here: each has a repository of its own."""
    log = tmp_path_factory.mktemp("publish") / "emulator.log"
    with emulated_aws("111122223333", "us-east-1", log) as running:
        yield running


@pytest.fixture
def publish(script: Script) -> Any:
    """The script as a module."""
    return script("publish")


@pytest.fixture
def registry(
    aws: Emulator,
    publish: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> Registry:
    """An empty repository with immutable tags, or with those that a test asks for."""
    mutability = getattr(request, "param", "IMMUTABLE")
    made = Registry(aws, f"r{tmp_path.name.lower().replace('_', '-')}", tmp_path, mutability)
    made.script, made.patch, made.capture = publish, monkeypatch, capsys
    return made


movable = pytest.mark.parametrize(
    "registry", ["MUTABLE"], indirect=True, ids=["MUTABLE-as-the-emulator-has-no-exclusion-filters"]
)


# A name that no image can have


@pytest.mark.parametrize(
    ("version", "mended"),
    [
        ("v1.0.0+build.5", "v1.0.0_build.5"),
        ("v1/linux", "v1_linux"),
        ("v1.0.0@home", "v1.0.0_home"),
        ("v1'; echo 'x", "v1___echo__x"),
        ("v\u00e91", "v_1"),
        ("v" + "1" * 128, "v" + "1" * 127),
        ("v1\n", "v1_"),
        ("v<b>1", "v_b_1"),
    ],
)
def test_a_version_that_no_image_can_have_as_its_tag_is_refused(
    registry: Registry, version: str, mended: str
) -> None:
    ran = registry.run("name", version, PATH="/nowhere")  # nothing is asked of AWS
    assert ran.status == 1
    assert f"{html.escape(version, quote=False)} cannot be the tag of an image" in ran.summary
    assert f"gh release delete {shlex.quote(version)} --cleanup-tag --yes" in ran.summary
    assert f"gh release create {mended} --target {ONE} --generate-notes" in ran.summary
    assert ran.printed.count("\n") == 1
    assert ran.printed.startswith("::error title=Nothing was published::")


@pytest.mark.parametrize("version", ["v1", "v1.0.0-rc.1", "main-17", "v" + "1" * 127, "v_1"])
def test_every_other_version_is_taken_without_a_word(registry: Registry, version: str) -> None:
    assert registry.run("name", version, PATH="/nowhere") == (0, "", {}, "")


# Before the build


def test_what_is_not_there_is_to_be_built(registry: Registry) -> None:
    assert registry.run("before").outputs == {"build": "true"}


def test_what_is_published_already_is_not_built_again(registry: Registry) -> None:
    digest = registry.push("v1.0.0", ONE)
    ran = registry.run("before")
    assert (ran.status, ran.outputs) == (0, {"build": "false"})
    assert digest in ran.printed


def test_an_image_of_the_commit_is_not_built_again(registry: Registry) -> None:
    registry.push(ONE, ONE)
    assert registry.run("before").outputs == {"build": "false"}


@pytest.mark.parametrize("word", ["before", "after"])
def test_a_git_tag_that_was_moved_is_refused_with_what_to_do(registry: Registry, word: str) -> None:
    digest = registry.push("v1.0.0", TWO)
    ran = registry.run(word)
    assert (ran.status, ran.outputs) == (1, {})
    assert f"v1.0.0 already names the image of commit {TWO}, and this run is for commit {ONE}" in (
        ran.summary
    )
    assert f"\ngh release create vNEXT --target {ONE} --generate-notes\n" in ran.summary
    assert f"\ngit push --force origin {TWO}:refs/tags/v1.0.0 # the tag as it" in ran.summary
    assert registry.tags == {"v1.0.0": digest}


def test_a_moved_tag_is_refused_although_its_new_commit_has_an_image(registry: Registry) -> None:
    before = {"v1.0.0": registry.push("v1.0.0", TWO), ONE: registry.push(ONE, ONE)}
    assert registry.run("after").status == 1
    assert registry.tags == before


def test_a_commits_tag_on_the_image_of_another_commit_is_refused(registry: Registry) -> None:
    before = {ONE: registry.push(ONE, TWO)}
    ran = registry.run("after")
    assert (ran.status, f"already names the image of commit {TWO}" in ran.summary) == (1, True)
    assert registry.tags == before
    assert "git push" not in ran.summary  # the Git tag is where it was
    assert "gh release create vNEXT --target main --generate-notes" in ran.summary


def test_an_image_beside_that_of_the_commits_tag_must_say_its_commit(registry: Registry) -> None:
    before = {"v1.0.0": registry.push("v1.0.0"), ONE: registry.push(ONE, ONE)}
    assert registry.run("after").status == 1
    assert registry.tags == before


def test_what_an_image_says_is_pasted_into_nothing(registry: Registry) -> None:
    registry.push("v1.0.0", "$(touch x)\n::warning::[x](y)")
    ran = registry.run("before")
    assert "touch" not in ran.printed + ran.summary
    assert "an image of no known commit" in ran.summary


def test_a_tag_without_a_release_is_deleted_by_git(registry: Registry) -> None:
    ran = registry.run("name", "v1+x", GITHUB_EVENT_NAME="push")
    assert "\ngit push origin --delete v1+x\n" in ran.summary


def test_an_annotation_keeps_its_percent_signs(registry: Registry) -> None:
    assert "::v%250A cannot be" in registry.run("name", "v%0A").printed


def test_an_image_that_does_not_say_its_commit_is_known_by_the_commits_tag(
    registry: Registry,
) -> None:
    digest = registry.push(ONE)
    assert registry.run("after").outputs["digest"] == digest
    assert registry.tags == {ONE: digest, "v1.0.0": digest}
    assert registry.run("after").status == 0


def test_a_version_of_no_known_commit_is_refused(registry: Registry) -> None:
    registry.push("v1.0.0")
    ran = registry.run("before")
    assert (ran.status, "an image of no known commit" in ran.summary) == (1, True)
    assert "git push" not in ran.summary  # without a commit that would delete the Git tag


def test_a_number_of_a_run_that_comes_twice_is_explained(registry: Registry) -> None:
    registry.push("main-3", TWO)
    ran = registry.run("before", "main-3")
    assert (ran.status, "begin again when the workflow is renamed" in ran.summary) == (1, True)
    assert "git commit --allow-empty --message Release && git push" in ran.summary


# After it


@pytest.mark.parametrize("media_type", [MANIFEST, INDEX], ids=["manifest", "index"])
def test_the_version_is_put_on_the_commits_image_in_its_exact_bytes(
    registry: Registry, media_type: str
) -> None:
    digest = registry.push(ONE, ONE, media_type)
    ran = registry.run("after")
    assert (ran.status, registry.tags) == (0, {ONE: digest, "v1.0.0": digest})
    assert ran.outputs == {"digest": digest, "tag": "v1.0.0"}


def test_a_manifest_longer_than_an_argument_may_be_is_put_back_whole(registry: Registry) -> None:
    digest = registry.push(ONE, ONE, INDEX, seed='"\\\r\n\u00e9' * 40_000)
    assert registry.run("after").status == 0
    assert registry.tags == {ONE: digest, "v1.0.0": digest}


def test_a_commits_tag_that_a_failed_push_did_not_set_is_set(registry: Registry) -> None:
    digest = registry.push("v1.0.0", ONE)
    assert registry.run("after").status == 0
    assert registry.tags == {ONE: digest, "v1.0.0": digest}


def test_the_summary_shows_what_is_there(registry: Registry) -> None:
    digest = registry.push(ONE, ONE)
    uri = f"111122223333.dkr.ecr.us-east-1.amazonaws.com/{registry.name}@{digest}"
    assert registry.run("after", BUILD="skipped").summary.splitlines() == [
        "### Published v1.0.0: the image of this commit was there",
        "",
        "| | |",
        "| --- | --- |",
        f"| Image | `{uri}` |",
        f"| Tags | `v1.0.0`, `{ONE}` |",
        "| Platform | `linux/amd64` |",
        f"| Pull | `docker pull {uri}` |",
        "| Role session | `run-4711-1` |",
    ]
    for outcome, title in {
        "skipped": "Published v1.0.0 before: nothing was built",
        "": "Published v1.0.0 before: nothing was built",
        "success": "Published v1.0.0",
        "failure": "Published v1.0.0: the push has reported an error, but the image is there",
    }.items():
        assert registry.run("after", BUILD=outcome).summary.splitlines()[0] == f"### {title}"


def test_two_images_of_one_commit_are_not_said_to_be_one(registry: Registry) -> None:
    version, commit = registry.push("v1.0.0", ONE), registry.push(ONE, ONE, seed="again")
    ran = registry.run("after")
    assert (ran.status, registry.tags) == (0, {"v1.0.0": version, ONE: commit})
    assert "| Tags | `v1.0.0` |" in ran.summary


def test_an_index_names_its_commit_in_its_images(registry: Registry) -> None:
    inner = registry.push("inner", ONE)
    proof = {"digest": "sha256:0", "platform": {"os": "unknown"}}
    parts = [proof, {"digest": inner, "platform": None}]
    index = {"schemaVersion": 2, "mediaType": INDEX, "annotations": None, "manifests": parts}
    registry.client.put_image(
        repositoryName=registry.name,
        imageManifest=json.dumps(index),
        imageManifestMediaType=INDEX,
        imageTag="v1.0.0",
    )
    assert registry.run("before", SECOND_TAG="latest").outputs == {"build": "false"}
    assert registry.run("before", commit=TWO, SECOND_TAG="latest").status == 1


def test_a_manifest_that_was_changed_on_its_way_is_refused_by_ecr(
    registry: Registry, publish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.push(ONE, ONE)
    ask, asked = publish.ecr, []

    def with_a_line_more(job: Any, operation: str, **parameters: Any) -> Any:
        asked.append((operation, parameters))
        if "imageManifest" in parameters:
            parameters["imageManifest"] += "\n"
        return ask(job, operation, **parameters)

    monkeypatch.setattr(publish, "ecr", with_a_line_more)
    ran = registry.run("after")
    assert (ran.status, "ImageDigestDoesNotMatchException" in ran.summary) == (1, True)
    assert set(registry.tags) == {ONE}
    assert set(asked[0][1]["acceptedMediaTypes"]) >= {MANIFEST, INDEX}
    (put,) = [parameters for operation, parameters in asked if operation == "put-image"]
    assert put["imageManifestMediaType"] == MANIFEST


def test_where_another_run_was_faster_its_image_is_taken(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = registry.push(ONE, ONE)
    put = registry.script.put

    def late(job: Any, found: Any, tag: str) -> Any:
        with contextlib.suppress(registry.client.exceptions.ImageTagAlreadyExistsException):
            registry.client.put_image(
                repositoryName=job.repository,
                imageManifest=found.manifest,
                imageManifestMediaType=found.media_type,
                imageTag=tag,
            )
        return put(job, found, tag)

    monkeypatch.setattr(registry.script, "put", late)
    ran = registry.run("after")
    assert (ran.status, ran.outputs["digest"]) == (0, digest)


# A tag that moves


@pytest.mark.parametrize(
    ("own", "order"),
    [
        ("v1.0.0", ["v0.9", "v1.0", "v1.0.1", "v1.2", "v1.10.0", "v2", "v10.0.0", "v2026.11.23"]),
        ("main-7", ["main-1", "main-9", "main-10", "main-200"]),
    ],
)
def test_versions_are_compared_by_their_numbers(publish: Any, own: str, order: list[str]) -> None:
    job = publish.Job("", "", own, "latest", ONE)
    compared = [publish.numbers(job, tag) for tag in order]
    assert compared == sorted(compared)
    assert len({tuple(each) for each in compared}) == len(order)
    assert publish.numbers(job, "v1.2") == publish.numbers(job, "v1.2.0") or own == "main-7"
    for other in ("v2.0.0-rc.1", "latest", ONE, "vnext", "v", "1.0", "v1..2", "main-", "xv1"):
        assert publish.numbers(job, other) is None


@movable
def test_latest_moves_to_the_newest_version_and_never_backwards(registry: Registry) -> None:
    moving = {"SECOND_TAG": "latest"}
    first = registry.push("v1.9.0", ONE)
    assert registry.run("after", "v1.9.0", **moving).status == 0
    assert registry.tags["latest"] == first
    newer = registry.push("v1.10.0", TWO)
    registry.run("after", "v1.10.0", TWO, **moving)
    assert registry.tags["latest"] == newer
    again = registry.run("after", "v1.9.0", **moving)
    assert (registry.tags["latest"], again.outputs["digest"]) == (newer, first)
    assert "latest (names v1.10.0)" in again.summary
    registry.push("v2.0.0-rc.1", TWO, seed="candidate")
    registry.run("after", "v2.0.0-rc.1", TWO, **moving)
    assert registry.tags["latest"] == newer
    assert set(registry.tags) == {"v1.9.0", "v1.10.0", "v2.0.0-rc.1", "latest"}


@movable
def test_a_commit_without_a_tag_of_its_own_is_built_for_each_version(registry: Registry) -> None:
    registry.push("v1.0.0", ONE)
    assert registry.run("before", "v1.0.1", SECOND_TAG="latest").outputs == {"build": "true"}
    assert registry.run("before", "v1.0.0", SECOND_TAG="latest").outputs == {"build": "false"}
    assert registry.run("before", "v1.0.0", TWO, SECOND_TAG="latest").status == 1


@movable
def test_before_a_first_release_latest_names_nothing(registry: Registry) -> None:
    registry.push("v1.0.0-rc.1", ONE)
    ran = registry.run("after", "v1.0.0-rc.1", SECOND_TAG="latest")
    assert (ran.status, "latest" in registry.tags) == (0, False)
    assert "latest (was not moved)" in ran.summary


@movable
def test_what_a_run_publishes_meanwhile_gets_latest(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.push("v1.0.0", ONE)
    put = registry.script.put
    pushed: list[str] = []

    def late(job: Any, found: Any, tag: str) -> Any:
        done = put(job, found, tag)
        if not pushed:
            pushed.append(registry.push("v1.1.0", TWO))
        return done

    monkeypatch.setattr(registry.script, "put", late)
    registry.run("after", SECOND_TAG="latest")
    assert registry.tags["latest"] == pushed[0]


@movable
def test_latest_leaves_out_what_this_workflow_has_not_published(registry: Registry) -> None:
    own = registry.push("v1.0.0", ONE)
    registry.push("v9.0.0")
    ran = registry.run("after", SECOND_TAG="latest")
    assert (ran.status, registry.tags["latest"]) == (0, own)
    assert "latest (names v1.0.0)" in ran.summary


@movable
def test_another_prefix_counts_from_the_beginning(registry: Registry) -> None:
    registry.run("after", "main-200", SECOND_TAG="latest")
    registry.push("main-200", ONE)
    registry.run("after", "main-200", SECOND_TAG="latest")
    new = registry.push("build-1", TWO)
    registry.run("after", "build-1", TWO, SECOND_TAG="latest")
    assert registry.tags["latest"] == new


def test_latest_that_may_not_move_is_no_green_job(registry: Registry) -> None:
    old = registry.push("v1.0.0", ONE)
    assert registry.run("after", SECOND_TAG="latest").status == 0
    registry.push("v1.1.0", TWO)
    ran = registry.run("after", "v1.1.0", TWO, SECOND_TAG="latest")
    assert (ran.status, registry.tags["latest"]) == (1, old)
    assert "v1.1.0 is published. ECR does not let latest move" in ran.summary
    assert "make bootstrap\ngh run rerun 4711" in ran.summary
    assert ran.outputs["tag"] == "v1.1.0"


@movable
def test_who_finds_latest_moved_meanwhile_is_green(
    registry: Registry, publish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.push("v1.0.0", ONE)
    ask = publish.ecr

    def moved_meanwhile(job: Any, operation: str, **parameters: Any) -> Any:
        done = ask(job, operation, **parameters)
        if operation == "put-image":  # the other run was faster by a moment
            raise publish.Refused("ImageAlreadyExistsException", "there is no change")
        return done

    monkeypatch.setattr(publish, "ecr", moved_meanwhile)
    ran = registry.run("after", SECOND_TAG="latest")
    assert (ran.status, "latest (names v1.0.0)" in ran.summary) == (0, True)


# What goes wrong


@pytest.mark.parametrize("word", ["before", "after"])
def test_a_missing_repository_is_named_with_its_region(registry: Registry, word: str) -> None:
    ran = registry.run(word, ECR_REPOSITORY="nowhere")
    assert ran.status == 1
    assert "There is no ECR repository nowhere in us-east-1" in ran.summary
    assert "```text\nmake bootstrap\ngh run rerun 4711\n```" in ran.summary
    title = "Nothing was published" if word == "before" else "The release is not complete"
    assert ran.printed.startswith(f"::error title={title}::")


def test_the_aws_cli_is_asked_for_the_errors_that_are_read(
    registry: Registry, tmp_path: Path
) -> None:
    program = tmp_path / "aws"  # the pinned CLI does not look at this variable
    program.write_text(
        '#!/bin/sh\necho "An error occurred (A): $AWS_CLI_ERROR_FORMAT" >&2; exit 254\n'
    )
    program.chmod(0o755)
    ran = registry.run("before", PATH=f"{tmp_path}:/bin", AWS_CLI_ERROR_FORMAT="json")
    assert "A: legacy" in ran.summary


def test_another_region_than_that_of_infra_is_named(
    registry: Registry, publish: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tfvars = tmp_path / "terraform.tfvars.json"
    tfvars.write_text('{"aws_region": "eu-central-1"}')
    monkeypatch.setattr(publish, "TFVARS", tfvars)
    ran = registry.run("before", ECR_REPOSITORY="nowhere")
    assert "in us-east-1, and infra/terraform.tfvars.json says eu-central-1" in ran.summary
    assert "Write aws-region: eu-central-1 in deploy.yml" in ran.summary
    tfvars.write_text("no JSON")
    assert "There is no ECR repository" in registry.run("before", ECR_REPOSITORY="nowhere").summary


@pytest.mark.parametrize(
    ("code", "says", "mend"),
    [
        ("AccessDeniedException", "The role may not do this: said AWS.", "make bootstrap"),
        ("ExpiredTokenException", "The session of the role has ended", "gh run rerun 4711"),
        ("ServerException", "did not do what it was asked", "gh run rerun 4711"),
        ("", "did not do what it was asked", "gh run rerun 4711"),
    ],
)
def test_an_answer_of_aws_is_explained(
    registry: Registry,
    publish: Any,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    says: str,
    mend: str,
) -> None:
    def answer(*_: Any, **__: Any) -> Any:
        raise publish.Refused(code, "said AWS")

    monkeypatch.setattr(publish, "ecr", answer)
    ran = registry.run("before")
    assert (ran.status, says in ran.summary, mend in ran.summary) == (1, True, True)
    assert "said AWS" in ran.summary


def test_what_make_apply_cannot_mend_is_not_sent_there(publish: Any) -> None:
    job = publish.Job("", "", "v1", ONE, ONE)
    refused = publish.Refused("AccessDeniedException", "with an explicit deny in a service policy")
    problem = publish.meaning(job, refused)
    assert "forbids it: ask who runs them" in str(problem)
    assert "make bootstrap" not in problem.commands


def test_only_an_image_that_is_missing_is_absent(
    registry: Registry, publish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = {"failureCode": "KmsError", "failureReason": "the key is gone"}
    monkeypatch.setattr(publish, "ecr", lambda *_, **__: {"images": [], "failures": [failure]})
    ran = registry.run("before")
    assert (ran.status, "KmsError: the key is gone" in ran.summary) == (1, True)


@pytest.mark.parametrize(
    ("printed", "code", "text"),
    [
        ("\nAn error occurred (A) when calling the B operation: c: d\n", "A", "c: d"),
        (
            "An error occurred (A) when calling the B operation (reached max retries: 4): c",
            "A",
            "c",
        ),
        ("aws: [ERROR]: An error occurred (A) when calling the B operation: c", "A", "c"),
        ("aws: [ERROR]: An error occurred (NoRegion): c", "NoRegion", "c"),
        ("\nUnable to locate\n  credentials\n", "", "Unable to locate credentials"),
        ("", "", ""),
    ],
)
def test_what_the_aws_cli_prints_is_read(publish: Any, printed: str, code: str, text: str) -> None:
    refused = publish.Refused.of(printed)
    assert (refused.code, str(refused)) == (code, text)


@pytest.mark.parametrize(
    "denied", ["put-image", "initiate-layer-upload", "batch-check-layer-availability"]
)
def test_a_push_that_left_nothing_is_told_apart_from_one_that_was_denied(
    registry: Registry, publish: Any, monkeypatch: pytest.MonkeyPatch, denied: str
) -> None:
    allowed = registry.run("after", BUILD="failure")
    assert (allowed.status, "although the role may push it" in allowed.summary) == (1, True)
    commands = "gh run rerun 4711\ngh release create vNEXT --target main --generate-notes"
    assert f"\n{commands}\n" in allowed.summary
    branch = registry.run("after", "main-1", BUILD="failure")
    assert "git commit --allow-empty --message Release && git push" in branch.summary
    assert registry.tags == {}
    ask = publish.ecr

    def deny(job: Any, operation: str, **parameters: Any) -> Any:
        if operation == denied:
            raise publish.Refused("AccessDeniedException", f"not authorized: {operation}")
        return ask(job, operation, **parameters)

    monkeypatch.setattr(publish, "ecr", deny)
    refused = registry.run("after", BUILD="failure")
    assert (refused.status, f"not authorized: {denied}" in refused.summary) == (1, True)
    assert "make bootstrap\ngh run rerun 4711" in refused.summary


@pytest.mark.parametrize("answer", [{"images": [{}]}, {"images": None}, [], None])
def test_an_answer_that_cannot_be_read_is_no_traceback(
    registry: Registry, publish: Any, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr(publish, "ecr", lambda *_, **__: answer)
    ran = registry.run("before")
    assert (ran.status, "An answer of ECR cannot be read" in ran.summary) == (1, True)


def test_a_runner_without_the_aws_cli_is_told_so(registry: Registry) -> None:
    ran = registry.run("before", PATH="/nowhere")
    assert (ran.status, "AWS CLI cannot be run on this runner" in ran.summary) == (1, True)


def test_an_unknown_word_prints_the_usage(registry: Registry) -> None:
    ran = registry.run("publish")
    assert (ran.status, "publish.py before" in ran.printed) == (2, True)
