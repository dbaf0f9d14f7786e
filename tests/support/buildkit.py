"""The real BuildKit and the real buildx, without Docker and without root.

`make buildkit` builds both programs. BuildKit runs as root of a user namespace of its own. Nothing
is started in an image (a Dockerfile without RUN), so it needs no runc, only a program in its place.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.standins.emulator import ROOT, Emulator, without

PROGRAMS = ROOT / ".venv/buildkit"
REVISION = "org.opencontainers.image.revision"
STARTED_WITHIN = 60  # seconds; it takes one


class Buildx:
    """The program `docker` of a runner, of which only `docker buildx` is there, and its builder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        docker = folder / "bin/docker"
        docker.parent.mkdir()
        docker.write_text(
            f'#!/bin/sh\n[ "$1" = buildx ] || exit 64\nshift\nexec "{PROGRAMS}/buildx" "$@"\n'
        )
        docker.chmod(0o755)
        (folder / "none").mkdir()

    @property
    def environment(self) -> dict[str, str]:
        """What lets a program find this `docker`, and keeps it from what the user has set up."""
        return {
            **without("BUILDX_"),
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "BUILDX_CONFIG": str(self.folder / "buildx"),
            "DOCKER_CONFIG": str(self.folder / "docker"),
        }

    def run(self, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run `docker buildx` in a folder."""
        return subprocess.run(
            ["docker", "buildx", *map(str, arguments)],
            cwd=cwd,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def log_in(self, emulator: Emulator) -> None:
        """Keep the password of the emulated registry, as amazon-ecr-login does."""
        given = emulator.client("ecr").get_authorization_token()["authorizationData"][0]
        config = self.folder / "docker/config.json"
        config.parent.mkdir(exist_ok=True)
        config.write_text(
            json.dumps({"auths": {emulator.host: {"auth": given["authorizationToken"]}}})
        )

    def build(
        self, project: Path, layout: Path, platform: str, commit: str, *more: str
    ) -> dict[str, object]:
        """Build the image of a project into an OCI layout, as docker/build-push-action does.

        Its inputs are outputs, platforms, provenance, sbom and annotations (src/context.ts there).
        An empty folder replaces the image after FROM, so the network is not needed.

        Args:
            project: has a Dockerfile without RUN.
            layout: the folder that is written.
            platform: as in "linux/arm64".
            commit: what the image says that it was built from.
            more: further arguments; a later one takes the place of an earlier one.

        Returns:
            what the action has as its output `metadata`.
        """
        base = re.findall(r"(?m)^FROM (\S+)", (project / "Dockerfile").read_text())[-1]
        metadata = layout.with_suffix(".json")
        ended = self.run(
            *("build", "--builder", "remote", "--platform", platform),
            *("--output", f"type=oci,dest={layout},tar=false"),
            *("--provenance=false", "--sbom=false", "--annotation", f"{REVISION}={commit}"),
            *("--build-context", f"{base}={self.folder / 'none'}"),
            *("--metadata-file", str(metadata), *more, "."),
            cwd=project,
        )
        assert ended.returncode == 0, ended.stderr
        return dict(json.loads(metadata.read_text()))


@contextmanager
def running_buildkit() -> Iterator[Buildx]:
    """Run BuildKit for as long as the block lasts."""
    missing = [name for name in ("buildx", "buildkitd") if not (PROGRAMS / name).is_file()]
    if missing:
        pytest.fail(f"{' and '.join(missing)} missing from {PROGRAMS}; build it: make buildkit")
    if not shutil.which("unshare"):
        pytest.fail("unshare is missing; install it: apt-get install util-linux (Linux only)")
    with tempfile.TemporaryDirectory() as short:  # the path of a socket must be
        folder = Path(short)
        buildx = Buildx(folder)
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                command(folder),
                env=buildx.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_for(folder / "socket", server, folder / "log")
            options = ("--name", "remote", "--driver", "remote", f"unix://{folder / 'socket'}")
            made = buildx.run("create", *options, cwd=folder)
            assert made.returncode == 0, made.stderr
            yield buildx
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def command(folder: Path) -> list[str]:
    """Return what starts BuildKit with everything that it keeps in a folder."""
    return [
        *("unshare", "--user", "--map-root-user", "--mount", str(PROGRAMS / "buildkitd")),
        *("--rootless", "--root", str(folder / "state"), "--addr", f"unix://{folder / 'socket'}"),
        *("--config", os.devnull, "--otel-socket-path", str(folder / "otel")),
        *("--containerd-worker=false", "--oci-worker=true", "--oci-worker-no-process-sandbox"),
        *("--oci-worker-snapshotter", "native", "--oci-worker-binary", shutil.which("false") or ""),
    ]


def wait_for(socket: Path, server: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until BuildKit listens; fail with what it printed."""
    until = time.monotonic() + STARTED_WITHIN
    while not socket.exists():
        if server.poll() is not None or time.monotonic() > until:
            pytest.fail(
                f"BuildKit does not start:\n{log.read_text()}\nWhere only root may make a user "
                "namespace: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
            )
        time.sleep(0.05)
