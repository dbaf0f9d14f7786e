"""Build an image without Docker and push it, as docker/build-push-action does.

The image has one layer of random bytes: two builds of one commit differ, as they do in real life,
so a rebuild is seen by its digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from urllib.parse import urljoin, urlsplit

from tests.standins.actions import aws, step

OCI = "application/vnd.oci.image"
INTOTO = "application/vnd.in-toto+json"
KINDS = {"manifest", "manifest-descriptor", "index", "index-descriptor"}  # of annotations
KNOWN = (
    *("annotations", "context", "file", "github-token", "labels", "platforms", "provenance"),
    *("outputs", "push", "sbom", "tags", "target"),
    # They change how an image is built, but not where it goes, or what it is.
    *("add-hosts", "build-args", "cache-from", "cache-to", "cgroup-parent", "network", "no-cache"),
    *("no-cache-filters", "pull", "shm-size", "ulimit"),
)


class Blob(NamedTuple):
    """Bytes in a registry, and what they are."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        """The name of the bytes in the registry."""
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"

    def descriptor(self, **more: Any) -> dict[str, Any]:
        """Return what points at the bytes from a manifest or an index."""
        known = {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}
        return known | more


class Image(NamedTuple):
    """What a build made: the blobs, the manifests inside an index, and what the tags point at."""

    blobs: list[Blob]
    inner: list[Blob]
    top: Blob


def as_json(media_type: str, content: dict[str, Any]) -> Blob:
    """Return a document as bytes, in one way only."""
    return Blob(media_type, json.dumps(content, separators=(",", ":")).encode())


def failed(why: str) -> NoReturn:
    """End the step as a build that fails does."""
    print(f"ERROR: {why}", flush=True)
    step.fail(f"buildx failed with: ERROR: {why}")


def dockerfile(given: dict[str, str]) -> str:
    """Return the text of the Dockerfile; what is missing ends the step."""
    if not given["context"]:
        step.fail("The stand-in for build-push-action knows no Git context: say context: .")
    context = Path(given["context"])
    if not context.is_dir():
        failed(f'unable to prepare context: path "{given["context"]}" not found')
    path = Path(given["file"]) if given["file"] else context / "Dockerfile"
    if not path.is_file():
        failed(
            "failed to build: failed to solve: failed to read dockerfile: open "
            f"{path.name}: no such file or directory"
        )
    return path.read_text()


def annotated(given: dict[str, str], kind: str) -> dict[str, str]:
    """Return the annotations for a manifest or an index; without a kind they are a manifest's.

    What buildx cannot read ends the step (ParseAnnotations in util/buildflags/export.go).
    """
    found = {}
    for line in filter(None, map(str.strip, given["annotations"].splitlines())):
        key, equals, value = line.partition("=")
        if not equals:
            failed(f'invalid annotation "{line}", expected key=value')
        kinds, colon, name = key.partition(":")
        for each in kinds.split(",") if colon else ["manifest"]:
            which = each.partition("[")[0]
            if which not in KINDS:
                failed(f'unknown annotation type "{which}"')
            if which == kind:
                found[name if colon else key] = value
    return found


def described(config: Blob, layer: Blob, **more: Any) -> tuple[list[Blob], Blob]:
    """Return config and layer, and the manifest that holds them."""
    content = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": config.descriptor(),
        "layers": [layer.descriptor()],
    }
    return [config, layer], as_json(f"{OCI}.manifest.v1+json", content | more)


def manifest(given: dict[str, str], platform: str) -> tuple[list[Blob], Blob]:
    """Build for one platform: return config and layer, and the manifest."""
    layer = Blob(f"{OCI}.layer.v1.tar", os.urandom(64))
    system, _, architecture = platform.partition("/")
    labels = dict(line.split("=", 1) for line in given["labels"].splitlines() if "=" in line)
    config = as_json(
        f"{OCI}.config.v1+json",
        {
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "os": system,
            "architecture": architecture,
            "config": {"Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
        },
    )
    return described(config, layer, annotations=annotated(given, "manifest"))


def attestation(subject: Blob) -> tuple[list[Blob], Blob]:
    """Return the manifest that buildx adds for provenance or an SBOM, with its blobs."""
    layer = Blob(INTOTO, json.dumps({"subject": subject.digest}).encode())
    config = as_json(f"{OCI}.config.v1+json", {"os": "unknown", "architecture": "unknown"})
    return described(config, layer)


def build(given: dict[str, str]) -> Image:
    """Return the image; a line RUN false or a missing target in the Dockerfile ends the step."""
    text, target = dockerfile(given), given["target"]
    stages = re.findall(r"(?im)^FROM\s.*\sAS\s+(\S+)\s*$", text)
    if target and target.lower() not in map(str.lower, stages):
        failed(f'failed to build: failed to solve: target stage "{target}" could not be found')
    for number, line in enumerate(text.splitlines(), start=1):
        if line.split() == ["RUN", "false"]:
            print(f"Dockerfile:{number}\n>>> {line}", flush=True)
            failed(
                'failed to build: failed to solve: process "/bin/sh -c false" did not complete '
                "successfully: exit code: 1"
            )
    # Without an answer the original adds provenance to what it pushes, which makes it an index.
    attested = given["provenance"].lower() != "false" or given["sbom"] not in {"", "false"}
    platforms = step.listed(given["platforms"]) or ["linux/amd64"]
    blobs, inner, entries = [], [], []
    for platform in platforms:
        parts, made = manifest(given, platform)
        system, _, architecture = platform.partition("/")
        blobs += parts
        inner.append(made)
        entries.append(made.descriptor(platform={"os": system, "architecture": architecture}))
        if attested:
            more, proof = attestation(made)
            blobs += more
            inner.append(proof)
            reference = {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": made.digest,
            }
            entries.append(
                proof.descriptor(
                    platform={"os": "unknown", "architecture": "unknown"}, annotations=reference
                )
            )
    if len(inner) == 1:
        if any(annotated(given, kind) for kind in ("index", "index-descriptor")):
            failed("failed to solve: index annotations not supported for single platform export")
        return Image(blobs, [], inner[0])
    content = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.index.v1+json",
        "manifests": entries,
        "annotations": annotated(given, "index"),
    }
    return Image(blobs, inner, as_json(f"{OCI}.index.v1+json", content))


class Registry:
    """The emulator's registry, under the name that the workflow gives it."""

    def __init__(self, host: str) -> None:
        config = Path(os.environ["RUNNER_TEMP"], "docker", "config.json")
        auths = json.loads(config.read_text())["auths"] if config.is_file() else {}
        if not re.fullmatch(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?", host):
            failed(f"failed to push: {host} is no registry that the stand-in knows")
        self.auth = auths.get(host, {}).get("auth", "")
        self.region = host.split(".")[3]
        self.base = os.environ["AWS_ENDPOINT_URL"]

    def send(self, method: str, path: str, blob: Blob | None = None) -> str:
        """Send one request and return where the registry says to go on.

        Raises:
            ValueError: the registry refuses; the text is what it said.
        """
        headers = {"Content-Type": blob.media_type if blob else "application/octet-stream"}
        if self.auth:
            headers["Authorization"] = f"Basic {self.auth}"
        url = urljoin(self.base, path)
        data = blob.data if blob else b""
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - http
                return str(answer.headers.get("Location", ""))
        except urllib.error.HTTPError as error:
            with error:
                said = error.read().decode(errors="replace")
            raise ValueError(f"unexpected status {error.code} {error.reason}: {said}") from None
        except OSError as error:
            raise ValueError(str(error)) from None

    def upload(self, name: str, image: Image) -> None:
        """Store the parts of an image, but no tag."""
        self.may_push(name)
        for blob in image.blobs:
            place = self.send("POST", f"/v2/{name}/blobs/uploads/")
            sign = "&" if urlsplit(place).query else "?"
            data = Blob("application/octet-stream", blob.data)
            self.send("PUT", f"{place}{sign}digest={blob.digest}", data)
        for made in image.inner:
            self.send("PUT", f"/v2/{name}/manifests/{made.digest}", made)

    def may_push(self, name: str) -> None:
        """Ask ECR's API what the role may do, and where; the emulator's registry looks at neither.

        ECR's registry carries a push out by these actions, and denies it in these words.

        Raises:
            ValueError: the role may not push, or not in this region.
        """
        credentials = aws.Credentials.of_environment()
        nothing = {"imageManifest": "{}", "imageDigest": f"sha256:{0:064}"}
        for action, more in {"InitiateLayerUpload": {}, "PutImage": nothing}.items():
            headers = {
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": f"AmazonEC2ContainerRegistry_V20150921.{action}",
            }
            body = json.dumps({"repositoryName": name, **more}).encode()
            try:
                aws.call("ecr", self.region, headers, body, credentials)
            except aws.Refused as refused:
                if "not authorized" in str(refused):
                    raise ValueError(f"403 Forbidden: denied: {refused}") from None


def push(image: Image, tags: list[str]) -> None:
    """Push an image under each tag, in the order given; a refusal ends the step."""
    uploaded = set()
    for tag in tags:
        host, _, rest = tag.partition("/")
        name, _, version = rest.rpartition(":")
        registry = Registry(host)
        try:
            if (host, name) not in uploaded:
                registry.upload(name, image)
                uploaded.add((host, name))
            registry.send("PUT", f"/v2/{name}/manifests/{version}", image.top)
        except ValueError as refused:
            failed(f"failed to push {tag}: {refused}")
        print(f"pushed {tag}@{image.top.digest}", flush=True)


def write_layout(image: Image, folder: Path) -> None:
    """Write an image as BuildKit does for `type=oci,tar=false`: blobs, and what points at them."""
    for each in (*image.blobs, *image.inner, image.top):
        path = folder / "blobs" / each.digest.replace(":", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(each.data)
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    index = {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json"}
    named = {"org.opencontainers.image.ref.name": "latest"}
    index["manifests"] = [image.top.descriptor(annotations=named)]
    (folder / "index.json").write_text(json.dumps(index))


def layout_of(given: dict[str, str]) -> Path | None:
    """Return where the input `outputs` wants an OCI layout, None where there is no such input."""
    wanted = dict(part.partition("=")[::2] for part in step.listed(given["outputs"]))
    if not wanted:
        return None
    if {*wanted} != {"type", "dest", "tar"} or (wanted["type"], wanted["tar"]) != ("oci", "false"):
        step.fail(
            "The stand-in for build-push-action knows no outputs but type=oci,dest=,tar=false"
        )
    return Path(wanted["dest"])


def main() -> None:
    """Build, push or write if asked to, and set the outputs."""
    given = step.inputs()
    step.only("build-push-action", given, *KNOWN)
    if "type=registry" in given["cache-to"]:
        step.fail("The stand-in for build-push-action knows no cache in a registry")
    push_it = step.is_true(given, "push")
    tags = step.listed(given["tags"])
    image = build(given)
    layout = layout_of(given)
    if layout:
        write_layout(image, layout)
    if push_it:
        if not tags:
            failed("tag is needed when pushing to registry")
        push(image, tags)
    config = image.blobs[0].digest
    metadata = {
        "containerimage.config.digest": config,
        "containerimage.digest": image.top.digest,
        "image.name": ",".join(tags),
    }
    step.output("imageid", image.top.digest if image.inner else config)
    step.output("digest", image.top.digest)
    step.output("metadata", json.dumps(metadata))


if __name__ == "__main__":
    main()
