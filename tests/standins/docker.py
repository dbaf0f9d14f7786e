"""Stands in for `docker buildx imagetools create`: one index of images that lie in OCI layouts.

It does what Buildx 0.34 was seen to do (`make buildkit` runs the real one, and compares): the index
has the same bytes, with the platform that each image's configuration says, and a tag gets it only
after its blobs are there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

from tests.standins.actions.build_push_action import OCI, Blob, Image, Registry

LAYOUT = "oci-layout://"


def failed(why: str) -> NoReturn:
    """End as Buildx does."""
    print(f"ERROR: {why}", file=sys.stderr, flush=True)
    raise SystemExit(1)


def blob(folder: Path, descriptor: dict[str, Any]) -> Blob:
    """Return what a descriptor points at."""
    digest = descriptor["digest"]
    path = folder / "blobs" / digest.replace(":", "/")
    if not path.is_file():
        failed(f"blob {digest} expected at {path}: blob not found: not found")
    data = path.read_bytes()
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
        failed(f"unexpected digest of {digest}")
    return Blob(descriptor["mediaType"], data)


def image(source: str) -> tuple[list[Blob], Blob, dict[str, str]]:
    """Return blobs, manifest and platform of `oci-layout://FOLDER@DIGEST` or `...:TAG`."""
    if not source.startswith(LAYOUT):
        failed(f"the stand-in for imagetools knows no {source}")
    found = re.fullmatch(
        r"(?P<folder>[^@:]+)(@(?P<digest>sha256:\w+)|:(?P<tag>[\w.-]+))?", source[len(LAYOUT) :]
    )
    if not found:
        failed(f"invalid reference {source}")
    folder = Path(found["folder"])
    if not (folder / "index.json").is_file():
        failed(f"could not read {folder}/index.json: open {folder}/index.json: no such file")
    listed = json.loads((folder / "index.json").read_text())["manifests"]
    wanted = found["digest"]
    fitting = [one for one in listed if wanted in (None, one["digest"])]
    if not fitting:
        failed(f"content {wanted}: not found")
    made = blob(folder, fitting[0])
    content = json.loads(made.data)
    config = blob(folder, content["config"])
    known = json.loads(config.data)
    blobs = [config, *(blob(folder, layer) for layer in content["layers"])]
    return blobs, made, {"architecture": known["architecture"], "os": known["os"]}


def index_of(given: argparse.Namespace) -> Image:
    """Return the index of the sources."""
    parts = [image(source) for source in given.sources]
    annotations = dict(each.partition(":")[2].split("=", 1) for each in given.annotation)
    if not all(each.startswith("index:") for each in given.annotation):
        failed("the stand-in for imagetools knows annotations of the index only")
    index = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.index.v1+json",
        "manifests": [made.descriptor(platform=platform) for _, made, platform in parts],
        "annotations": annotations,
    }
    return Image(
        [each for blobs, _, _ in parts for each in blobs],
        [made for _, made, _ in parts],
        Blob(f"{OCI}.index.v1+json", json.dumps(index, indent=2).encode()),
    )


def create(given: argparse.Namespace) -> None:
    """Push the index of the sources under each tag."""
    whole = index_of(given)
    uploaded = False
    for tag in given.tag:
        host, _, rest = tag.partition("/")
        name, _, version = rest.rpartition(":")
        registry = Registry(host)
        try:
            if not uploaded:
                registry.upload(name, whole)
                uploaded = True
            registry.send("PUT", f"/v2/{name}/manifests/{version}", whole.top)
        except ValueError as refused:
            failed(f"publish {whole.top.digest} to {tag}: failed commit on ref: {refused}")
        print(f"#1 publish {whole.top.digest} to {tag}", file=sys.stderr, flush=True)


def read(arguments: list[str]) -> argparse.Namespace:
    """Return what is asked; anything else than this one command is refused."""
    if arguments[:3] != ["buildx", "imagetools", "create"]:
        failed(f"the stand-in for docker does not know: docker {' '.join(arguments)}")
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("-t", "--tag", action="append", default=[])
    parser.add_argument("--annotation", action="append", default=[])
    parser.add_argument("sources", nargs="+")
    return parser.parse_args(arguments[3:])


if __name__ == "__main__":
    create(read(sys.argv[1:]))
