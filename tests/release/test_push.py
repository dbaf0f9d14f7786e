"""keyless publish push: what build jobs hand on is held against what they built, and pushed."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.layouts import REVISION, Docker, layout, nested
from tests.support.registry import ONE, TWO, Registry
from tests.support.steps import REGISTRY, Ran

Push = Callable[..., Ran]


@pytest.fixture
def docker(tmp_path: Path) -> Docker:
    """The program that would push."""
    return Docker(tmp_path / "docker")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two images of one commit, as two build jobs hand them on."""
    for architecture in ("amd64", "arm64"):
        layout(tmp_path / f"images/image-{architecture}", ONE, architecture)
    return tmp_path / "images"


def digest_in(folder: Path) -> str:
    """Return the digest of the image in a layout; empty where there is none to be read."""
    with contextlib.suppress(OSError, LookupError, ValueError, TypeError):
        return str(json.loads((folder / "index.json").read_text())["manifests"][0]["digest"])
    return ""


@pytest.fixture
def push(registry: Registry, docker: Docker, images: Path) -> Push:
    """Return a function that runs the step as deploy.yml does, and changes what it is given."""

    def with_variables(**more: str) -> Ran:
        built = {
            f"DIGEST_{name.upper()}": digest_in(images / f"image-{name}")
            for name in ("amd64", "arm64")
        }
        environment = {
            "PLATFORM": "linux/amd64,linux/arm64",
            "IMAGES": str(images),
            "PATH": f"{docker.folder}{os.pathsep}{os.environ['PATH']}",
            **built,
        }
        return registry.run("push", **{**environment, **more})

    return with_variables


def test_both_images_are_pushed_as_one_index_that_names_the_commit(
    push: Push, docker: Docker, registry: Registry, images: Path
) -> None:
    ran = push()
    assert (ran.status, ran.summary) == (0, "")
    name = f"{REGISTRY}/{registry.name}"
    one, two = images / "image-amd64", images / "image-arm64"
    assert docker.asked == [
        *("buildx", "imagetools", "create"),
        *("--tag", f"{name}:{ONE}", "--tag", f"{name}:v1.0.0"),
        *("--annotation", f"index:{REVISION}={ONE}"),
        f"oci-layout://{one}@{digest_in(one)}",
        f"oci-layout://{two}@{digest_in(two)}",
    ]


def test_a_tag_that_moves_is_not_pushed(push: Push, docker: Docker, registry: Registry) -> None:
    assert push(SECOND_TAG="latest").status == 0
    assert docker.asked is not None
    tags = [word for word in docker.asked if word.startswith(f"{REGISTRY}/")]
    assert tags == [f"{REGISTRY}/{registry.name}:v1.0.0"]


def refused(push: Push, docker: Docker, **more: str) -> str:
    """Run the step; it must be red before anything is pushed. Return what is read."""
    ran = push(**more)
    assert (ran.status, docker.asked) == (1, None)
    assert ran.printed.startswith("::error title=Nothing was published::")
    assert ran.printed.count("\n") == 1
    return ran.summary


@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
def test_a_missing_platform_is_named(push: Push, docker: Docker, images: Path, left: str) -> None:
    kept = {"DIGEST_ARM64": digest_in(images / "image-arm64")}
    (images / "image-arm64").rename(images / "other")
    if left == "an empty folder":
        (images / "image-arm64").mkdir()
    said = refused(push, docker, **kept)
    assert "The build job for linux/arm64 left no image" in said
    assert "GitHub deletes an artifact after its retention-days. Build" in said
    assert "\ngh run rerun 4711\n" in said


def test_a_build_that_has_put_out_no_digest_is_named(push: Push, docker: Docker) -> None:
    said = refused(push, docker, DIGEST_AMD64="")
    assert "The build job for linux/amd64 has no output digest" in said


def test_another_digest_than_the_one_that_was_built_is_refused(
    push: Push, docker: Docker, images: Path
) -> None:
    built = digest_in(images / "image-arm64")
    other = layout(images / "image-arm64", ONE, "arm64", seed="replaced")
    said = refused(push, docker, DIGEST_ARM64=built)
    assert f"built {built}, but its artifact holds {other}" in said
    assert "Something else replaced the artifact" in said


def test_the_image_of_the_other_platform_is_refused(
    push: Push, docker: Docker, images: Path
) -> None:
    layout(images / "image-arm64", ONE, "amd64")
    said = refused(push, docker)
    assert "The image for linux/arm64 was built for linux/amd64" in said
    assert "Write platforms: linux/arm64 into its build step." in said


def test_an_image_of_another_system_is_refused(push: Push, docker: Docker, images: Path) -> None:
    layout(images / "image-amd64", ONE, "amd64", system="windows")
    assert "The image for linux/amd64 was built for windows/amd64" in refused(push, docker)
    layout(images / "image-amd64", ONE, "amd64", system="::error::x")
    assert "'::error::x/amd64' is not a platform" in refused(push, docker)


@pytest.mark.parametrize(
    ("commit", "named"),
    [(TWO, f"commit {TWO}"), ("", "no commit"), ("$(id)\n::error::", "no commit")],
)
def test_the_image_of_another_commit_is_refused(
    push: Push, docker: Docker, images: Path, commit: str, named: str
) -> None:
    layout(images / "image-amd64", commit, "amd64")
    said = refused(push, docker)
    assert f"linux/amd64 names {named}, but this run is for commit {ONE}" in said
    assert "$(id)" not in said
    assert f"annotations: {REVISION}=${{{{ github.sha }}}}" in said
    assert "\ngh release create vNEXT --target main --generate-notes\n" in said


def test_an_index_in_place_of_an_image_is_refused(push: Push, docker: Docker, images: Path) -> None:
    nested(images / "image-amd64")
    said = refused(push, docker)
    assert "linux/amd64 holds an index and not one image" in said
    assert "provenance: false" in said


@pytest.mark.parametrize(
    "broken", ["no json", "{}", '{"manifests": [{"mediaType": 1}]}', "[]", '{"manifests": null}']
)
def test_what_is_no_layout_is_refused(
    push: Push, docker: Docker, images: Path, broken: str
) -> None:
    built = digest_in(images / "image-amd64")
    (images / "image-amd64/index.json").write_text(broken)
    said = refused(push, docker, DIGEST_AMD64=built)
    assert "linux/amd64" in said
    assert "nothing was pushed" in said


@pytest.mark.parametrize("part", ["manifest", "config"])
def test_bytes_that_do_not_have_their_digest_are_refused(
    push: Push, docker: Docker, images: Path, part: str
) -> None:
    folder = images / "image-amd64"
    blobs = folder / "blobs/sha256"
    digest = digest_in(folder)
    if part == "config":
        manifest = json.loads((blobs / digest.partition(":")[2]).read_text())
        digest = manifest["config"]["digest"]
    path = blobs / digest.partition(":")[2]
    path.write_bytes(path.read_bytes() + b"\n")
    assert f"{digest} names other bytes" in refused(push, docker)


def test_a_digest_that_is_a_path_opens_no_file(push: Push, docker: Docker, images: Path) -> None:
    folder = images / "image-amd64"
    index = json.loads((folder / "index.json").read_text())
    index["manifests"][0]["digest"] = "sha256:../../index.json"
    (folder / "index.json").write_text(json.dumps(index))
    assert "'sha256:../../index.json' is not a digest" in refused(push, docker)


# The push itself


def test_a_push_that_fails_is_explained_with_its_last_line(push: Push, docker: Docker) -> None:
    docker.answers("#1 pushing\nERROR: 503 Service\n unknown: down\n\n", 1)
    ran = push()
    assert ran.status == 1
    assert "The images were built but not pushed" in ran.summary
    assert "Buildx reports: 503 Service unknown: down. Run the failed jobs" in ran.summary
    assert "\ngh run rerun 4711 --failed\n" in ran.summary
    assert "#1 pushing\n" in ran.printed


def test_a_push_that_loses_a_race_is_green(push: Push, docker: Docker, registry: Registry) -> None:
    digest = registry.push(ONE, ONE)
    docker.answers("ERROR: the tag is taken\n", 1)
    ran = push()
    assert (ran.status, ran.summary) == (0, "")
    assert "The push reported an error, but ECR has an image of this commit." in ran.printed
    assert registry.run("after", BUILD="success").outputs["digest"] == digest


def test_a_push_that_finds_the_version_taken_by_another_commit_is_red(
    push: Push, docker: Docker, registry: Registry
) -> None:
    registry.push("v1.0.0", TWO)
    docker.answers("ERROR: the tag is taken\n", 1)
    ran = push()
    assert (ran.status, f"already names the image of commit {TWO}" in ran.summary) == (1, True)


def test_a_role_that_may_not_push_is_named(push: Push, docker: Docker, registry: Registry) -> None:
    registry.emulator.fail("InitiateLayerUpload", 403, 9)
    docker.answers("ERROR: 403 Forbidden\n", 1)
    assert push().status == 1


def test_a_runner_without_docker_is_told_what_it_needs(push: Push) -> None:
    ran = push(PATH="/nowhere")
    assert ran.status == 1
    assert "This runner has no Docker, so nothing was pushed." in ran.summary
    assert "git, Docker with Buildx, Python 3.9 or newer, and the AWS CLI 2" in ran.summary
