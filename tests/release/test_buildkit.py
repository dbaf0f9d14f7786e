"""Both platforms with the real BuildKit: two layouts are built, and published as one index.

`make buildkit` runs this file, without Docker and without root.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bake
from tests.standins import docker
from tests.support.buildkit import REVISION, Buildx, running_buildkit
from tests.support.registry import INDEX, MANIFEST, ONE, TWO, Registry
from tests.support.steps import Ran

pytestmark = [pytest.mark.buildkit, pytest.mark.slow]

PLATFORMS = ("linux/amd64", "linux/arm64")
NAMES = ("amd64", "arm64")
NOWHERE = f"sha256:{'3' * 64}"  # the digest of nothing


@pytest.fixture(scope="module")
def buildx() -> Iterator[Buildx]:
    """Buildx, with a BuildKit that builds for it."""
    with running_buildkit() as running:
        yield running


@pytest.fixture(scope="module")
def built(buildx: Buildx, bake: Bake, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a layout of each platform, of a generated project's own Dockerfile."""
    folder = tmp_path_factory.mktemp("built")
    for platform in PLATFORMS:
        said = buildx.build(bake().path, folder / platform[-5:], platform, ONE)
        assert said["containerimage.digest"] == digest(folder / platform[-5:])
    return folder


@pytest.fixture
def layouts(built: Path, tmp_path: Path) -> Path:
    """A copy of these layouts, for a test that publishes or edits them."""
    return shutil.copytree(built, tmp_path / "layouts")


def publish(
    buildx: Buildx, registry: Registry, folder: Path, *sources: str, version: str = "v1.0.0"
) -> subprocess.CompletedProcess[str]:
    """Publish an index of layouts under the tags of commit ONE and of a version.

    Args:
        buildx: pushes it.
        registry: takes it.
        folder: has the layouts.
        sources: the layouts as NAME@DIGEST.
        version: the second tag.
    """
    buildx.log_in(registry.emulator)
    image = f"{registry.emulator.host}/{registry.name}"
    return buildx.run(
        *("imagetools", "create", "--tag", f"{image}:{ONE}", "--tag", f"{image}:{version}"),
        *("--annotation", f"index:{REVISION}={ONE}"),
        *(f"oci-layout://{source}" for source in sources),
        cwd=folder,
    )


def sources(folder: Path) -> list[str]:
    """Return both layouts as NAME@DIGEST, in the one order that gives the one digest."""
    return [f"{name}@{digest(folder / name)}" for name in ("amd64", "arm64")]


def digest(layout: Path) -> str:
    """Return the digest of the one entry of a layout, after the bytes behind it were hashed."""
    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    blob(layout, entry["digest"])
    return str(entry["digest"])


def blob(layout: Path, name: str) -> Any:
    """Return a document of a layout, if its bytes have the digest that is its name."""
    data = (layout / "blobs" / name.replace(":", "/")).read_bytes()
    assert f"sha256:{hashlib.sha256(data).hexdigest()}" == name
    return json.loads(data)


def pulled(registry: Registry, name: str) -> dict[str, Any]:
    """Return a manifest or an index as ECR returns it for a digest."""
    wanted = {"repositoryName": registry.name, "imageIds": [{"imageDigest": name}]}
    (image,) = registry.client.batch_get_image(acceptedMediaTypes=[INDEX, MANIFEST], **wanted)[
        "images"
    ]
    text = str(image["imageManifest"])
    assert f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" == name
    return dict(json.loads(text))


def platforms(registry: Registry, name: str) -> list[str]:
    """Return the platform of each image of a published index, as the index says it."""
    entries = pulled(registry, name)["manifests"]
    return ["/".join(entry["platform"][key] for key in ("os", "architecture")) for entry in entries]


# What a build job hands on


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_layout_has_one_image_of_the_platform_that_says_its_commit(
    built: Path, platform: str
) -> None:
    layout = built / platform[-5:]
    assert json.loads((layout / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((layout / "index.json").read_text())
    (entry,) = index["manifests"]
    system, _, architecture = platform.partition("/")
    assert (index["mediaType"], entry["mediaType"]) == (INDEX, MANIFEST)
    assert entry["platform"] == {"os": system, "architecture": architecture}
    assert entry["annotations"].keys() == {
        "org.opencontainers.image.created",
        "org.opencontainers.image.ref.name",
    }
    manifest = blob(layout, entry["digest"])
    assert manifest["annotations"] == {REVISION: ONE}
    config = blob(layout, manifest["config"]["digest"])
    assert (config["os"], config["architecture"]) == (system, architecture)
    assert "variant" not in config
    known = {part["digest"] for part in (entry, manifest["config"], *manifest["layers"])}
    assert {f"sha256:{file.name}" for file in (layout / "blobs/sha256").iterdir()} == known


def test_with_provenance_a_layout_points_at_an_index(
    buildx: Buildx, bake: Bake, tmp_path: Path
) -> None:
    layout = tmp_path / "attested"
    proof = "--attest=type=provenance,mode=max"  # the action's default in a public repository
    said = buildx.build(bake().path, layout, PLATFORMS[0], ONE, proof)
    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    assert (entry["mediaType"], entry["digest"]) == (INDEX, said["containerimage.digest"])
    assert "platform" not in entry
    inner = [image["platform"] for image in blob(layout, entry["digest"])["manifests"]]
    assert inner == [
        {"os": "linux", "architecture": "amd64"},
        {"os": "unknown", "architecture": "unknown"},
    ]


# What the publishing job makes of it


def test_both_platforms_are_published_as_one_index_under_both_tags(
    buildx: Buildx, registry: Registry, layouts: Path
) -> None:
    ended = publish(buildx, registry, layouts, *sources(layouts))
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
    assert registry.tags.keys() == {ONE, "v1.0.0"}
    (name,) = set(registry.tags.values())
    index = pulled(registry, name)
    assert index["annotations"] == {REVISION: ONE}
    assert platforms(registry, name) == list(PLATFORMS)
    assert [entry["digest"] for entry in index["manifests"]] == [
        digest(layouts / "amd64"),
        digest(layouts / "arm64"),
    ]
    for entry in index["manifests"]:
        assert pulled(registry, entry["digest"])["annotations"] == {REVISION: ONE}
        assert "annotations" not in entry, "the time of a build would change the index"


def test_a_second_run_is_green_and_uploads_nothing(
    buildx: Buildx, registry: Registry, layouts: Path
) -> None:
    assert publish(buildx, registry, layouts, *sources(layouts)).returncode == 0
    before = registry.tags
    registry.emulator.clear()
    ended = publish(buildx, registry, layouts, *sources(layouts))
    assert ended.returncode == 0, ended.stderr
    calls = [call for call in registry.emulator.calls() if call.startswith("/v2/")]
    assert calls
    assert {call.rpartition(" ")[2] for call in calls} == {"HEAD"}
    assert registry.tags == before


def test_another_image_is_refused_under_a_tag_that_is_taken(
    buildx: Buildx, bake: Bake, registry: Registry, layouts: Path
) -> None:
    assert publish(buildx, registry, layouts, *sources(layouts)).returncode == 0
    before = registry.tags
    buildx.build(bake().path, layouts / "arm64", "linux/arm64", TWO)
    ended = publish(buildx, registry, layouts, *sources(layouts))
    assert (ended.returncode, registry.tags) == (1, before)
    assert f"tag '{ONE}' is immutable" in ended.stderr


def test_the_order_of_the_platforms_is_part_of_the_digest(
    buildx: Buildx, registry: Registry, layouts: Path
) -> None:
    assert publish(buildx, registry, layouts, *sources(layouts)).returncode == 0
    ended = publish(buildx, registry, layouts, *reversed(sources(layouts)))
    assert (ended.returncode, "is immutable" in ended.stderr) == (1, True)


@pytest.fixture
def handed_on(layouts: Path) -> Path:
    """The layouts as the publishing job downloads them."""
    for name in ("amd64", "arm64"):
        (layouts / name).rename(layouts / f"image-{name}")
    return layouts


def by_the_tool(buildx: Buildx, registry: Registry, folder: Path, **more: str) -> Ran:
    """Run `keyless publish push` as the publishing job does, with this buildx."""
    buildx.log_in(registry.emulator)
    built = {f"DIGEST_{name.upper()}": digest(folder / f"image-{name}") for name in NAMES}
    given = {"PLATFORM": ",".join(PLATFORMS), "IMAGES": str(folder), **built, **more}
    given["REGISTRY"] = registry.emulator.host
    return registry.run("push", **{**buildx.environment, **given})


def test_the_tool_pushes_them_as_the_stand_in_for_buildx_does(
    buildx: Buildx, registry: Registry, handed_on: Path
) -> None:
    assert by_the_tool(buildx, registry, handed_on).status == 0
    assert registry.tags.keys() == {ONE, "v1.0.0"}
    (name,) = set(registry.tags.values())
    assert platforms(registry, name) == list(PLATFORMS)
    layouts = [f"oci-layout://{handed_on}/image-{each}" for each in NAMES]
    asked = ["buildx", "imagetools", "create", "--annotation", f"index:{REVISION}={ONE}", *layouts]
    assert docker.index_of(docker.read(asked)).top.digest == name
    again = by_the_tool(buildx, registry, handed_on)
    assert (again.status, set(registry.tags.values())) == (0, {name})


def test_the_tool_refuses_one_platform_twice_and_another_digest(
    buildx: Buildx, bake: Bake, registry: Registry, handed_on: Path
) -> None:
    ran = by_the_tool(buildx, registry, handed_on, DIGEST_ARM64=NOWHERE)
    assert (ran.status, f"has built {NOWHERE}" in ran.summary) == (1, True)
    shutil.rmtree(handed_on / "image-amd64")
    buildx.build(bake().path, handed_on / "image-amd64", "linux/arm64", ONE)
    ran = by_the_tool(buildx, registry, handed_on)
    assert (ran.status, "linux/amd64 is one for linux/arm64" in ran.summary) == (1, True)
    assert registry.tags == {}


def test_the_tool_says_what_buildx_says(
    buildx: Buildx, registry: Registry, handed_on: Path
) -> None:
    for layer in (handed_on / "image-amd64/blobs/sha256").iterdir():
        if layer.read_bytes()[:2] == b"\x1f\x8b":
            layer.unlink()
    ran = by_the_tool(buildx, registry, handed_on, PLATFORM="linux/amd64")
    assert (ran.status, registry.tags) == (1, {})
    assert "The images were built but not pushed" in ran.summary
    assert "blob not found" in ran.summary


@pytest.mark.parametrize("missing", ["digest", "layout", "swapped"])
def test_what_is_not_in_its_layout_is_not_published(
    buildx: Buildx, registry: Registry, layouts: Path, missing: str
) -> None:
    one, two = sources(layouts)
    if missing == "digest":
        one = f"amd64@{NOWHERE}"
    if missing == "layout":
        shutil.rmtree(layouts / "amd64")
    if missing == "swapped":
        one, two = one.replace("amd64", "arm64"), two.replace("arm64", "amd64")
    ended = publish(buildx, registry, layouts, one, two)
    assert (ended.returncode, registry.tags) == (1, {})
    # Both are looked up at once, so either may be the one that is reported.
    said = [f"ERROR: content {source.partition('@')[2]}: not found\n" for source in (one, two)]
    assert ended.stderr in (said if missing == "swapped" else said[:1])


@pytest.mark.parametrize("kind", ["config", "layers"])
def test_bytes_that_were_changed_are_refused_by_the_registry_not_by_buildx(
    buildx: Buildx, registry: Registry, layouts: Path, kind: str
) -> None:
    manifest = blob(layouts / "amd64", digest(layouts / "amd64"))
    part = manifest[kind] if kind == "config" else manifest[kind][0]
    for layout in layouts.glob("a*64"):  # a layer that both have is taken from either
        file = layout / "blobs" / part["digest"].replace(":", "/")
        if file.is_file():
            file.chmod(0o644)
            file.write_bytes(file.read_bytes().replace(b"a", b"b") + b" ")
    ended = publish(buildx, registry, layouts, *sources(layouts))
    assert (ended.returncode, registry.tags) == (1, {})


def test_buildx_takes_one_platform_twice(
    buildx: Buildx, bake: Bake, registry: Registry, layouts: Path
) -> None:
    """So whoever publishes must look at the platforms himself; this is how it would be seen."""
    buildx.build(bake().path, layouts / "amd64", "linux/arm64", TWO)
    ended = publish(buildx, registry, layouts, *sources(layouts))
    assert ended.returncode == 0, ended.stderr
    assert platforms(registry, registry.tags[ONE]) == ["linux/arm64", "linux/arm64"]


def test_the_same_image_twice_is_an_index_of_one(
    buildx: Buildx, registry: Registry, layouts: Path
) -> None:
    ended = publish(buildx, registry, layouts, sources(layouts)[0], sources(layouts)[0])
    assert ended.returncode == 0, ended.stderr
    assert platforms(registry, registry.tags[ONE]) == ["linux/amd64"]
