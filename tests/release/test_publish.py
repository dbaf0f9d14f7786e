"""keyless publish, held against an emulated ECR: names, what is built, and the tags of an image."""

from __future__ import annotations

import contextlib
import html
import json
from pathlib import Path
from typing import Any

import pytest
from keyless.release import images
from keyless.release.images import Image
from keyless.release.job_environment import Release

from tests.support.registry import INDEX, MANIFEST, ONE, TWO, Registry

# A name that no image can have


@pytest.mark.parametrize(
    ("version", "mended"),
    [
        ("v1.0.0+build.5", "v1.0.0-build.5"),
        ("v1/linux", "v1-linux"),
        ("web/v1.0.0", "v1.0.0-web"),
        ("team/web/v2", "v2-team-web"),
        ("v1.0.0@home", "v1.0.0-home"),
        ("v1'; echo 'x", "v1-echo-x"),
        ("v\u00e91", "v-1"),
        ("v" + "1" * 128, "v" + "1" * 127),
        ("v1\n", "v1"),
        ("v<b>1", "v-b-1"),
        ("/", "vNEXT"),
    ],
)
@pytest.mark.usefixtures("root")
def test_a_version_that_no_image_can_have_as_its_tag_is_refused(
    registry: Registry, version: str, mended: str
) -> None:
    registry.by_cli()  # and nothing is asked of AWS
    ran = registry.run("name", version, PATH="/nowhere", ECR_REPOSITORY="example-service")
    assert ran.status == 1
    assert f"{html.escape(version, quote=False)} cannot be the tag of an image" in ran.summary
    assert "The role trusts refs/tags/v*." in ran.summary
    assert "delete" not in ran.summary, "a new version does"
    assert f"gh release create {mended} --target {ONE} --generate-notes" in ran.summary
    assert ran.printed.count("\n") == 1
    assert ran.printed.startswith("::error title=Nothing was published::")


@pytest.mark.parametrize("version", ["v1", "v1.0.0-rc.1", "main-17", "v" + "1" * 127, "v_1"])
def test_every_other_version_is_taken_without_a_word(
    registry: Registry, version: str, tmp_path: Path
) -> None:
    registry.by_cli()
    (tmp_path / "aws").write_text("#!/bin/sh\nexit 99\n")
    (tmp_path / "aws").chmod(0o755)
    assert registry.run("name", version, PATH=str(tmp_path)) == (0, "", {}, "")


def test_a_runner_without_the_aws_cli_is_told_before_anything_is_done(registry: Registry) -> None:
    registry.by_cli()
    ran = registry.run("name", "v1", PATH="/nowhere")
    assert ran.status == 1
    needs = "git, Docker with Buildx, Python 3.9 or newer, and the AWS CLI 2"
    assert "This runner has no AWS CLI, so it cannot contact ECR and nothing was" in ran.summary
    assert needs in ran.summary
    again = registry.run("before", "v1", PATH="/nowhere")
    assert needs in again.summary


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
    assert f"v1.0.0 already names the image of commit {TWO}, but this run is for commit {ONE}" in (
        ran.summary
    )
    assert f"\ngh release create vNEXT --target {ONE} --generate-notes\n" in ran.summary
    assert f"\ngit push --force origin {TWO}:refs/tags/v1.0.0 # restores the tag" in ran.summary
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
    assert "an image that names no commit" in ran.summary


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
    assert (ran.status, "an image that names no commit" in ran.summary) == (1, True)
    assert "git push" not in ran.summary  # without a commit that would delete the Git tag


def test_a_number_of_a_run_that_comes_twice_is_explained(registry: Registry) -> None:
    registry.push("main-3", TWO)
    ran = registry.run("before", "main-3")
    assert (
        ran.status,
        "If the workflow was renamed, its run numbers started again at 1." in ran.summary,
    ) == (1, True)
    assert "git commit --allow-empty --message Release && git push" in ran.summary


# After it


@pytest.mark.parametrize("media_type", [MANIFEST, INDEX], ids=["manifest", "index"])
def test_the_version_is_put_on_the_commits_image_in_its_exact_bytes(
    registry: Registry, media_type: str
) -> None:
    digest = registry.push(ONE, ONE, media_type)
    registry.by_cli()
    ran = registry.run("after")
    assert (ran.status, registry.tags) == (0, {ONE: digest, "v1.0.0": digest})
    assert ran.outputs == {"digest": digest, "tag": "v1.0.0"}


def test_a_manifest_longer_than_an_argument_may_be_is_put_back_whole(registry: Registry) -> None:
    digest = registry.push(ONE, ONE, INDEX, seed='"\\\r\n\u00e9' * 40_000)
    registry.by_cli()
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
        "### Published v1.0.0: ECR already had the image of this commit",
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
        "skipped": "v1.0.0 was already published: nothing was built",
        "": "v1.0.0 was already published: nothing was built",
        "success": "Published v1.0.0",
        "failure": "Published v1.0.0: the push reported an error, but ECR has the image",
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
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.push(ONE, ONE)
    call, asked = registry.call, []

    def with_a_line_more(service: str, operation: str, **parameters: Any) -> Any:
        asked.append((operation, parameters))
        if "imageManifest" in parameters:
            parameters["imageManifest"] += "\n"
        return call(service, operation, **parameters)

    monkeypatch.setattr(images, "call", with_a_line_more)
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
    put_tag = images.put_tag

    def late(job: Release, found: Image, tag: str) -> str:
        with contextlib.suppress(registry.client.exceptions.ImageTagAlreadyExistsException):
            registry.client.put_image(
                repositoryName=job.repository,
                imageManifest=found.manifest,
                imageManifestMediaType=found.media_type,
                imageTag=tag,
            )
        return put_tag(job, found, tag)

    monkeypatch.setattr(images, "put_tag", late)
    ran = registry.run("after")
    assert (ran.status, ran.outputs["digest"]) == (0, digest)
