"""scripts/publish.py of a generated project, held against an emulated ECR."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import Bake
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
        details = self.client.describe_images(repositoryName=self.name)["imageDetails"]
        return {tag: image["imageDigest"] for image in details for tag in image["imageTags"]}

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
def publish(bake: Bake, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The script as a module."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # nobody may change what is cached
    monkeypatch.syspath_prepend(str(bake().path / "scripts"))
    yield importlib.import_module("publish")
    sys.modules.pop("publish", None)


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
        ("v1.0.0+build.5", "v1.0.0-build.5"),
        ("v1/linux", "v1-linux"),
        ("v1.0.0@home", "v1.0.0-home"),
        ("v1'; echo 'x", "v1---echo--x"),
        ("v\u00e91", "v-1"),
        ("v" + "1" * 128, "v" + "1" * 127),
        ("v1\n", "v1-"),
    ],
)
def test_a_version_that_no_image_can_have_as_its_tag_is_refused(
    registry: Registry, version: str, mended: str
) -> None:
    ran = registry.run("name", version, PATH="/nowhere")  # nothing is asked of AWS
    assert ran.status == 1
    assert f"{version} cannot be the tag of an image" in ran.summary
    assert f"gh release create {mended} --generate-notes" in ran.summary
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
    assert "publish a new version: gh release create NEW_VERSION --generate-notes" in ran.summary
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


def test_a_number_of_a_run_that_comes_twice_is_explained(registry: Registry) -> None:
    registry.push("main-3", TWO)
    ran = registry.run("before", "main-3")
    assert (ran.status, "begin again when the workflow is renamed" in ran.summary) == (1, True)
    assert "publish a new version: push a commit to main" in ran.summary


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
    assert registry.run("after", BUILD="success").summary.splitlines() == [
        "### Published",
        "",
        "| | |",
        "| --- | --- |",
        f"| Image | `{uri}` |",
        f"| Tags | `v1.0.0`, `{ONE}` |",
        "| Platform | `linux/amd64` |",
        f"| Pull | `docker pull {uri}` |",
        "| Role session | `run-4711-1` |",
    ]
    for outcome in ("skipped", "failure", ""):
        again = registry.run("after", BUILD=outcome)
        assert again.summary.startswith("### Published before: nothing was built\n")


def test_where_another_run_was_faster_its_image_is_taken(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = registry.push(ONE, ONE)
    put = registry.script.put

    def late(job: Any, found: Any, tag: str) -> bool:
        with contextlib.suppress(registry.client.exceptions.ImageTagAlreadyExistsException):
            registry.client.put_image(
                repositoryName=job.repository,
                imageManifest=found.manifest,
                imageManifestMediaType=found.media_type,
                imageTag=tag,
            )
        return bool(put(job, found, tag))

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
    assert "latest names v1.10.0" in again.summary
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
    assert "latest names nothing yet" in ran.summary


@movable
def test_what_a_run_publishes_meanwhile_gets_latest(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.push("v1.0.0", ONE)
    put = registry.script.put
    pushed: list[str] = []

    def late(job: Any, found: Any, tag: str) -> bool:
        done = put(job, found, tag)
        if not pushed:
            pushed.append(registry.push("v1.1.0", TWO))
        return bool(done)

    monkeypatch.setattr(registry.script, "put", late)
    registry.run("after", SECOND_TAG="latest")
    assert registry.tags["latest"] == pushed[0]


# What goes wrong


@pytest.mark.parametrize("word", ["before", "after"])
def test_a_missing_repository_is_named_with_its_region(registry: Registry, word: str) -> None:
    ran = registry.run(word, ECR_REPOSITORY="nowhere")
    assert ran.status == 1
    assert "there is no ECR repository nowhere in us-east-1" in ran.summary
    assert "create it: make apply" in ran.summary


def test_another_region_than_that_of_infra_is_named(
    registry: Registry, publish: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tfvars = tmp_path / "terraform.tfvars.json"
    tfvars.write_text('{"aws_region": "eu-central-1"}')
    monkeypatch.setattr(publish, "TFVARS", tfvars)
    ran = registry.run("before", ECR_REPOSITORY="nowhere")
    assert "in us-east-1, and infra/terraform.tfvars.json says eu-central-1" in ran.summary
    assert "write aws-region: eu-central-1 in deploy.yml" in ran.summary


@pytest.mark.parametrize(
    ("code", "says", "mend"),
    [
        ("AccessDeniedException", "the role may not do this", "make apply"),
        ("ExpiredTokenException", "the session of the role has ended", "gh run rerun 4711"),
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


def test_a_push_that_left_nothing_is_told_apart_from_one_that_was_denied(
    registry: Registry, publish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = registry.run("after", BUILD="failure")
    assert (allowed.status, "although the role may push it" in allowed.summary) == (1, True)
    assert registry.tags == {}
    ask = publish.ecr

    def denied(job: Any, operation: str, **parameters: Any) -> Any:
        if operation == "put-image":
            raise publish.Refused("AccessDeniedException", "not authorized: ecr:PutImage")
        return ask(job, operation, **parameters)

    monkeypatch.setattr(publish, "ecr", denied)
    refused = registry.run("after", BUILD="failure")
    assert (refused.status, "ecr:PutImage" in refused.summary) == (1, True)
    assert "bring it up to date: make apply" in refused.summary


def test_a_runner_without_the_aws_cli_is_told_so(registry: Registry) -> None:
    ran = registry.run("before", PATH="/nowhere")
    assert (ran.status, "the runner has no AWS CLI" in ran.summary) == (1, True)


def test_an_unknown_word_prints_the_usage(registry: Registry) -> None:
    ran = registry.run("publish")
    assert (ran.status, "publish.py before" in ran.printed) == (2, True)
