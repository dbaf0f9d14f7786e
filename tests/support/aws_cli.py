"""The AWS CLI, imported once for a worker's whole run: each call is a fork of that process.

It is the real one. To import it takes most of a call, and one test in four calls it several times.

A program `aws` in a folder of its own hands arguments, environment, current directory and its three
streams to the process, by a socket in the same folder, and ends with the status that comes back.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from functools import cache
from pathlib import Path

from tests.standins.emulator import ROOT

PROGRAM = f"""#!{sys.executable} -SE
import json, os, signal, socket, sys

signal.signal(signal.SIGINT, signal.SIG_DFL)
with socket.socket(socket.AF_UNIX) as server:
    server.connect(os.path.dirname(os.path.realpath(__file__)) + "/socket")
    call = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(server, [len(call).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(call)
    status = server.recv(1)
sys.exit(status[0] if status else 255)
"""


@contextmanager
def kept_aws_cli(folder: Path) -> Iterator[Path]:
    """Run the AWS CLI for as long as the block lasts; yield the folder of the program `aws`.

    Args:
        folder: is made; its path must be short, as that of each socket must.

    Raises:
        AssertionError: it ended before it could be used.
    """
    folder.mkdir()
    program = folder / "aws"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.support.aws_cli", str(folder / "socket")],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
    )
    try:
        while not (folder / "socket").exists():
            assert server.poll() is None, "the AWS CLI cannot be imported"
            time.sleep(0.05)
        yield folder
    finally:
        server.kill()
        server.wait()


def serve(path: str) -> None:
    """Answer each call at a socket, for ever."""
    main = warmed_up()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that have answered
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{path}.bound")
        server.listen(64)
        Path(f"{path}.bound").rename(path)  # whoever sees it can connect
        while True:
            client, _ = server.accept()
            with client:
                if os.fork() == 0:
                    server.close()
                    client.sendall(bytes([call(client, main)]))
                    os._exit(0)


def warmed_up() -> Callable[[], object]:
    """Return the AWS CLI's main, after it has imported and read what most calls need."""
    import awscli.clidriver
    from botocore.loaders import JSONFileLoader

    read = cache(JSONFileLoader().load_file)
    JSONFileLoader.load_file = lambda _, path: read(path)
    main: Callable[[], object] = awscli.clidriver.main
    before = dict(os.environ)
    os.environ.update(dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "none"))
    os.environ["AWS_MAX_ATTEMPTS"] = "1"
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        for words in ("iam list-roles", "ecr describe-repositories", "sts get-caller-identity"):
            sys.argv[1:] = [
                *words.split(),
                "--region=us-east-1",
                "--endpoint-url=http://127.0.0.1:9",
            ]
            with suppress(SystemExit):
                main()
    os.environ.clear()
    os.environ.update(before)
    return main


def call(client: socket.socket, main: Callable[[], object]) -> int:
    """Do one call in this process, and return its status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, streams, *_ = socket.recv_fds(client, 4, 3)
    rest = int.from_bytes(size, "big")
    text = b""
    while len(text) < rest:
        text += client.recv(rest - len(text))
    arguments, folder, environment = json.loads(text)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    known = {"AWS_DATA_PATH": os.environ["AWS_DATA_PATH"]}  # which the import has set
    os.environ.clear()
    os.environ.update(known | environment)
    sys.argv[1:] = arguments
    try:
        status = main()
    except SystemExit as ended:
        status = ended.code
    sys.stdout.flush()
    sys.stderr.flush()
    return status if isinstance(status, int) else int(status is not None)


if __name__ == "__main__":
    serve(sys.argv[1])
