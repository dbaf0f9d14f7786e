"""AWS, emulated on 127.0.0.1: MiniStack, with trust policies and role policies in force.

What runs an image (ECS Express Mode, App Runner) is tests/standins/compute.py, in front of it.

Where MiniStack 1.5.33 differs from AWS: of a token's claims only aud, sub and amr are condition
keys (the others are added here, where tokens are judged); the token's signature is not checked;
requests to the registry are not held against the role's policy; a repository is either MUTABLE or
IMMUTABLE; a * of StringLike stops at a line break, and a pattern without * takes a line break
behind it; neither scheme nor trailing slashes of the issuer count.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import botocore.session
import jwt
from botocore.config import Config

from tests.standins.compute import Compute
from tests.standins.iam import CONDITION_KEYS

ROOT = Path(__file__).resolve().parents[2]
OURS = "/_stand_in/"  # paths that the wrapper answers, not AWS
ATTACH = (
    "TF_REATTACH_PROVIDERS"  # names a provider that runs already, see tests/support/provider.py
)
STARTED_WITHIN = 60  # seconds that a request waits while the server is still starting

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Emulator(NamedTuple):
    """A running emulator: its URL, the account that it emulates, and a provider that knows both.

    Without `provider`, Terraform starts one itself.
    """

    endpoint: str
    account: str
    region: str
    provider: str = ""

    @property
    def host(self) -> str:
        """The host and port that stand in for ACCOUNT.dkr.ecr.REGION.amazonaws.com."""
        return self.endpoint.removeprefix("http://")

    def environment(self) -> dict[str, str]:
        """Return what tells Terraform and the AWS CLI to talk to the emulator, as its root user."""
        attached = {ATTACH: self.provider} if self.provider else {}
        return {
            **without("AWS_"),
            **attached,
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
        return aws_models().create_client(
            service,
            region_name=self.region,
            endpoint_url=self.endpoint,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given.get("SessionToken"),
            config=Config(read_timeout=STARTED_WITHIN),
        )

    def fail(
        self, match: str, status: int = 500, times: int = 1, code: str = "ServiceUnavailable"
    ) -> None:
        """Answer the next requests that match with an error, then work again.

        Args:
            match: part of an operation's name ("PutImage") or of a registry's path ("/v2/").
            status: the HTTP status of the answer.
            times: how many requests are answered so; a program may repeat a request by itself.
            code: the error code in the answer.
        """
        fault = {"match": match, "status": status, "times": times, "code": code}
        self.stand_in("POST", "faults", fault)

    def clear(self) -> None:
        """Forget the errors that were asked for and the calls that were counted."""
        self.forget("faults", "calls", "requests")

    def forget(self, *kept: str) -> None:
        """Empty what the wrapper keeps: faults, calls, requests, moods, services, scaling."""
        for name in kept:
            self.stand_in("DELETE", name)

    def calls(self) -> list[str]:
        """Return what was called since the last clear: operations, or path and method.

        Examples: AssumeRoleWithWebIdentity, PutImage, "/v2/name/manifests/v1 PUT".
        """
        return list(self.stand_in("GET", "calls"))

    def requests(self) -> list[dict[str, Any]]:
        """Return what ECS Express Mode and App Runner were asked since the last clear.

        Each has name, parameters, needs (action, resource, context) and the code of its error.
        """
        return list(self.stand_in("GET", "requests"))

    def reset(self) -> None:
        """Forget everything: what is in AWS, and what was asked for or noted."""
        reset = urllib.request.Request(  # noqa: S310 - http on purpose
            f"{self.endpoint}/_ministack/reset", b"", method="POST"
        )
        urllib.request.urlopen(reset, timeout=STARTED_WITHIN).close()  # noqa: S310
        self.forget("faults", "calls", "requests", "moods", "services", "scaling")

    def mood(self, **how: Any) -> None:
        """Say how the next deployment of a service goes: takes, looks, ends, reason."""
        self.stand_in("POST", "moods", how)

    def stand_in(self, method: str, name: str, content: Any = None) -> Any:
        """Ask the emulator's wrapper for something that AWS does not know."""
        request = urllib.request.Request(  # noqa: S310 - http on purpose
            f"{self.endpoint}{OURS}{name}", json.dumps(content).encode(), method=method
        )
        with urllib.request.urlopen(request, timeout=STARTED_WITHIN) as answer:  # noqa: S310
            return json.load(answer)


@cache
def aws_models() -> botocore.session.Session:
    """Return the one session for all clients: the models of AWS are read once a process."""
    return botocore.session.get_session()


def without(prefix: str) -> dict[str, str]:
    """Return this process's environment without the variables whose names begin with a prefix."""
    return {key: value for key, value in os.environ.items() if not key.startswith(prefix)}


@contextmanager
def emulated_aws(
    account: str, region: str, log: Path, *, judge_tokens: bool = True
) -> Iterator[Emulator]:
    """Run an emulator on a free port of 127.0.0.1 for as long as the block lasts.

    Without `judge_tokens` nothing but the role's trust policy decides who is given the role.
    """
    known = {
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_ACCOUNT_ID": account,
        "MINISTACK_REGION": region,
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
    }
    options = ["--judge-tokens"] if judge_tokens else []
    with served_by("tests.standins.emulator", known, log, *options) as port:
        yield Emulator(f"http://127.0.0.1:{port}", account, region)


@contextmanager
def served_by(module: str, known: Mapping[str, str], log: Path, *options: str) -> Iterator[int]:
    """Run a module that serves AWS for as long as the block lasts; yield its port.

    The port is bound here and handed over, so nobody else can take it in between.

    Args:
        module: takes the number of the listening socket as its first argument.
        known: its environment, beside this process's own.
        log: takes what it prints.
        options: its further arguments.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("wb") as output:
        port = listener.getsockname()[1]
        server = subprocess.Popen(
            [sys.executable, "-m", module, str(listener.fileno()), *options],
            cwd=ROOT,
            env={**without("AWS_"), "GATEWAY_PORT": str(port), **known},
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield int(port)
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


class Faults:
    """An ASGI application that fails when a test wants it to, and remembers the calls.

    It stands in front of FirstAnswerAgain, so an error that was asked for is no answer to keep.
    """

    def __init__(self, application: Callable[..., Awaitable[None]]) -> None:
        self.application = application
        self.faults: list[dict[str, Any]] = []
        self.calls: list[str] = []
        # By the last word of a path of OURS: each can be read and emptied, a list be added to.
        self.kept: dict[str, Any] = {"faults": self.faults, "calls": self.calls}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, unless it is one of ours or one that shall fail."""
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        if scope["path"].startswith(OURS):
            content = self.ours(scope["method"], scope["path"], await whole(receive))
            await respond(send, 200, "application/json", json.dumps(content))
            return
        headers = {key.decode().lower(): value.decode() for key, value in scope["headers"]}
        name = headers.get("x-amz-target", "").rpartition(".")[2]
        if "form-urlencoded" in headers.get("content-type", ""):  # STS and IAM: small
            body = await whole(receive)
            name = name or parse_qs(body.decode()).get("Action", [""])[0]
            receive = once(body)
        name = name or f"{scope['path']} {scope['method']}"
        self.calls.append(name)
        fault = self.fault(name)
        if fault is not None:
            text = f"the emulator was asked to fail {name} with {fault['status']}"
            await respond(send, fault["status"], *error(name, headers, text, fault["code"]))
        else:
            await self.application(scope, receive, send)

    def ours(self, method: str, path: str, body: bytes) -> Any:
        """Add an error, forget errors or calls, or return the calls."""
        kept = self.kept[path.removeprefix(OURS)]
        if method == "POST":
            kept.append(json.loads(body))
        if method == "DELETE":
            kept.clear()
        return kept

    def fault(self, name: str) -> dict[str, Any] | None:
        """Return the error that a call shall get, and count it."""
        for fault in self.faults:
            if fault["times"] > 0 and fault["match"] in name:
                fault["times"] -= 1
                return fault
        return None


def error(name: str, headers: dict[str, str], text: str, code: str) -> tuple[str, str]:
    """Return media type and body of an error, in the form that the caller's service has."""
    if name.startswith("/v2/"):
        registry = {"errors": [{"code": "UNAVAILABLE", "message": text}]}
        return "application/json", json.dumps(registry)
    if "x-amz-target" in headers:
        service = {"__type": code, "message": text}
        return "application/x-amz-json-1.1", json.dumps(service)
    return "text/xml", (
        f"<ErrorResponse><Error><Type>Receiver</Type><Code>{code}</Code>"
        f"<Message>{text}</Message></Error><RequestId>0</RequestId></ErrorResponse>"
    )


async def whole(receive: Receive) -> bytes:
    """Return the body of a request."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def once(body: bytes) -> Receive:
    """Return what gives an application a body that was read already."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        return next(messages, {"type": "http.disconnect"})

    return receive


async def respond(send: Send, status: int, media_type: str, body: str) -> None:
    """Send a whole answer."""
    headers = [(b"content-type", media_type.encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})


def answer_as_documented(judge_tokens: bool) -> None:
    """Let MiniStack refuse what AWS refuses: tokens (STS API reference) and digests (ECR's).

    Where it judges tokens it also knows GitHub's claims as condition keys, as AWS does since
    January 2026 (IAM User Guide, "IAM and AWS STS condition context keys").
    """
    from ministack.services import ecr, sts

    trusts, put = sts._web_identity_trust_denied, ecr._put_image
    principal = sts._web_identity_principal

    def with_claims(token: str, provider_id: str, role_arn: str) -> tuple[str, dict[str, Any]]:
        known, keys = principal(token, provider_id, role_arn)
        claims = jwt.decode(token, options={"verify_signature": False, "verify_exp": False})
        host = str(claims["iss"]).partition("://")[2]
        return known, keys | {
            f"{host}:{name}".lower(): claims[name] for name in CONDITION_KEYS & claims.keys()
        }

    def trust_denied(role_arn: str, parameters: Any, use_json: bool) -> Any:
        refusal = judge_tokens and (
            token_refusal(parameters["WebIdentityToken"][0], role_arn)
            or name_refusal(parameters["RoleSessionName"][0])
            or duration_refusal(int(parameters.get("DurationSeconds", ["3600"])[0]), role_arn)
        )
        if refusal:
            return sts._error(400, *refusal, ns="sts")
        return trusts(role_arn, parameters, use_json)

    def put_image(data: dict[str, Any]) -> Any:
        digest = f"sha256:{hashlib.sha256(data['imageManifest'].encode()).hexdigest()}"
        if data.get("imageDigest", digest) == digest:
            return put(data)
        text = f"The specified digest does not match {digest}"
        return ecr.error_response_json("ImageDigestDoesNotMatchException", text, 400)

    sts._web_identity_trust_denied, ecr._put_image = trust_denied, put_image
    if judge_tokens:
        sts._web_identity_principal = with_claims


def token_refusal(token: str, role_arn: str) -> tuple[str, str] | None:
    """Return code and text with which STS refuses a token before it looks at the role."""
    from ministack.services import iam

    try:
        claims = jwt.decode(token, options={"verify_signature": False, "verify_exp": False})
    except jwt.InvalidTokenError:
        return "InvalidIdentityToken", "The ID Token provided is not a valid JWT"
    if claims["exp"] < time.time():
        text = "Token expired: current date/time must be before the expiration date/time"
        return "ExpiredTokenException", text
    account, host = role_arn.split(":")[4], claims["iss"].partition("://")[2]
    arn = f"arn:aws:iam::{account}:oidc-provider/{host}"
    provider = iam._oidc_providers.get_scoped(account, None, arn)
    if provider is None:
        text = f"No OpenIDConnect provider found in your account for {claims['iss']}"
        return "InvalidIdentityToken", text
    if claims["aud"] not in provider["ClientIDList"]:
        return "InvalidIdentityToken", "Incorrect token audience"
    return None


def name_refusal(name: str) -> tuple[str, str] | None:
    """Return code and text with which STS refuses the name of a session."""
    if re.fullmatch(r"[\w+=,.@-]{2,64}", name, re.ASCII):
        return None
    text = f"1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy"
    text += " constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"
    return "ValidationError", text


def duration_refusal(seconds: int, role_arn: str) -> tuple[str, str] | None:
    """Return code and text with which STS refuses a session that is too short or too long."""
    from ministack.services import iam

    if seconds < 900:
        text = (
            f"1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy"
        )
        return "ValidationError", (
            f"{text} constraint: Member must have value greater than or equal to 900"
        )
    role = iam._roles.get_scoped(role_arn.split(":")[4], None, role_arn.rpartition("/")[2])
    if role and seconds > int(role.get("MaxSessionDuration", 3600)):
        text = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        return "ValidationError", text
    return None


def serve(descriptor: int, judge_tokens: bool) -> None:
    """Serve MiniStack on a listening socket until SIGTERM."""
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config as ServerConfig
    from ministack.app import app

    answer_as_documented(judge_tokens)
    compute = Compute(app, os.environ["MINISTACK_ACCOUNT_ID"])
    faults = Faults(FirstAnswerAgain(compute))
    faults.kept |= {
        "requests": compute.requests,
        "moods": compute.moods,
        "services": compute.services,
        "scaling": compute.scaling,
    }
    config = ServerConfig()
    config.bind = [f"fd://{descriptor}"]
    config.keep_alive_timeout = 75
    asyncio.run(hypercorn_serve(faults, config))  # type: ignore[arg-type]


if __name__ == "__main__":
    serve(int(sys.argv[1]), "--judge-tokens" in sys.argv)
