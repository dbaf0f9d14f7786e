"""AWS, emulated on 127.0.0.1: MiniStack, with trust policies and role policies in force.

Where MiniStack 1.5.33 differs from AWS: of a token's claims only aud, sub and amr are condition
keys; the token's signature is not checked; requests to the registry are not held against the role's
policy; a repository is either MUTABLE or IMMUTABLE; a * of StringLike stops at a line break, and a
pattern without * takes a line break behind it; neither scheme nor trailing slashes of the issuer
count.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import botocore.session
from botocore.config import Config

ROOT = Path(__file__).resolve().parent.parent
STARTED_WITHIN = 60  # seconds that a request waits while the server is still starting

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Emulator(NamedTuple):
    """A running emulator: its URL, and the account that it emulates."""

    endpoint: str
    account: str
    region: str

    @property
    def host(self) -> str:
        """The host and port that stand in for ACCOUNT.dkr.ecr.REGION.amazonaws.com."""
        return self.endpoint.removeprefix("http://")

    def environment(self) -> dict[str, str]:
        """Return what tells Terraform and the AWS CLI to talk to the emulator, as its root user."""
        return without("AWS_") | {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def client(self, service: str, credentials: dict[str, str] | None = None) -> Any:
        """Return a client of a service: as the root user, or with credentials that STS gave."""
        given = credentials or {"AccessKeyId": "test", "SecretAccessKey": "test"}
        return botocore.session.get_session().create_client(
            service,
            region_name=self.region,
            endpoint_url=self.endpoint,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given.get("SessionToken"),
            config=Config(read_timeout=STARTED_WITHIN),
        )


def without(prefix: str) -> dict[str, str]:
    """Return this process's environment without the variables whose names begin with a prefix."""
    return {key: value for key, value in os.environ.items() if not key.startswith(prefix)}


@contextmanager
def emulated_aws(account: str, region: str, log: Path) -> Iterator[Emulator]:
    """Run an emulator on a free port of 127.0.0.1 for as long as the block lasts.

    The port is bound here and handed over, so nobody else can take it in between.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("wb") as output:
        port = listener.getsockname()[1]
        environment = {
            "AUTH": "true",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "MINISTACK_ACCOUNT_ID": account,
            "MINISTACK_REGION": region,
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
        }
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.emulator", str(listener.fileno())],
            cwd=ROOT,
            env=without("AWS_") | environment,
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Emulator(f"http://127.0.0.1:{port}", account, region)
    finally:
        server.terminate()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


class FirstAnswerAgain:
    """An ASGI application that answers a repeated request with its first answer.

    About one answer in 600 of MiniStack's gets lost on its way to Terraform's provider although the
    request was carried out. The SDK sends the request again under the same `amz-sdk-invocation-id`,
    and AWS would recognise it; a second Create here ends in EntityAlreadyExists.
    """

    def __init__(self, application: Callable[..., Awaitable[None]]) -> None:
        self.application = application
        self.answers: dict[bytes, asyncio.Task[list[Message]]] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, once for each invocation id."""
        key = dict(scope.get("headers", [])).get(b"amz-sdk-invocation-id")
        if scope["type"] != "http" or key is None:
            await self.application(scope, receive, send)
            return
        if key not in self.answers:
            body = [await receive()]
            while body[-1].get("more_body"):
                body.append(await receive())
            self.answers[key] = asyncio.create_task(self.answer(scope, body))
        answer = await asyncio.shield(self.answers[key])  # goes on when the asker has gone
        if answer[0].get("status", 500) >= 500:
            self.answers.pop(key, None)  # a failure may be tried again
        for message in answer:
            await send(message)

    async def answer(self, scope: Message, body: list[Message]) -> list[Message]:
        """Return what the application sends for one whole request."""
        incoming, sent = iter(body), []

        async def receive() -> Message:
            return next(incoming, {"type": "http.disconnect"})

        async def send(message: Message) -> None:
            sent.append(message)

        await self.application(scope, receive, send)
        return sent


def serve(descriptor: int) -> None:
    """Serve MiniStack on a listening socket until SIGTERM."""
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config as ServerConfig
    from ministack.app import app

    config = ServerConfig()
    config.bind = [f"fd://{descriptor}"]
    config.keep_alive_timeout = 75
    asyncio.run(hypercorn_serve(FirstAnswerAgain(app), config))  # type: ignore[arg-type]


if __name__ == "__main__":
    serve(int(sys.argv[1]))
