"""OCI layouts as build jobs pass them on, and a `docker` that records its arguments."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.standins.actions.build_push_action import (
    OCI,
    Blob,
    Image,
    as_json,
    described,
    write_layout,
)

REVISION = "org.opencontainers.image.revision"
INDEX = f"{OCI}.index.v1+json"
# It keeps its arguments, prints what is in `says`, and ends with the status in `ends`.
PROGRAM = """#!{python} -SE
import json, os, pathlib, sys
here = pathlib.Path(os.path.realpath(__file__)).parent
(here / "asked").write_text(json.dumps(sys.argv[1:]))
sys.stderr.write((here / "says").read_text())
sys.exit(int((here / "ends").read_text()))
"""


def layout(
    folder: Path, commit: str, architecture: str, *, system: str = "linux", seed: str = ""
) -> str:
    """Write an image of a commit for a platform; return the digest of its manifest."""
    layer = Blob(f"{OCI}.layer.v1.tar", f"{architecture} {seed}".encode())
    config = as_json(f"{OCI}.config.v1+json", {"os": system, "architecture": architecture})
    annotations = {REVISION: commit} if commit else {}
    blobs, manifest = described(config, layer, annotations=annotations)
    write_layout(Image(blobs, [], manifest), folder)
    return manifest.digest


def nested(folder: Path) -> str:
    """Let a layout hold an index of its image, as a build with provenance makes it."""
    (image,) = json.loads((folder / "index.json").read_text())["manifests"]
    index = as_json(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": [image]})
    write_layout(Image([], [], index), folder)
    return index.digest


class Docker:
    """A program `docker` in a folder, which pushes nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "docker").write_text(PROGRAM.format(python=sys.executable))
        (folder / "docker").chmod(0o755)
        self.answers("", 0)

    def answers(self, says: str, ends: int) -> None:
        """Let it print something and end so from now on."""
        (self.folder / "says").write_text(says)
        (self.folder / "ends").write_text(str(ends))

    @property
    def asked(self) -> list[str] | None:
        """The arguments that it was given last, None before."""
        path = self.folder / "asked"
        return list(json.loads(path.read_text())) if path.is_file() else None
