"""GitHub at the outermost edge: the OIDC token that a job would be given, and who gives it.

Claims and subjects as documented [GitHub docs, actions/reference/security/oidc].
"""

from __future__ import annotations

import functools
import json
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

ISSUER = "https://token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"


class Repository(NamedTuple):
    """A repository with the numeric ids that GitHub gave it and its owner.

    One that was created before 2026-07-15 has a classic prefix: the names without the ids.
    """

    full_name: str
    owner_id: int = 123456
    repository_id: int = 456789
    classic: bool = False

    @property
    def subject_prefix(self) -> str:
        """What GitHub reports as sub_claim_prefix."""
        owner, name = self.full_name.split("/")
        if self.classic:
            return f"repo:{owner}/{name}"
        return f"repo:{owner}@{self.owner_id}/{name}@{self.repository_id}"

    def subject(self, event: str, ref: str, environment: str | None = None) -> str:
        """Return the subject of a job: one with an environment, or a pull request's, has no ref."""
        if environment is not None:
            return f"{self.subject_prefix}:environment:{environment.replace(':', '%3A')}"
        context = "pull_request" if event == "pull_request" else f"ref:{ref}"
        return f"{self.subject_prefix}:{context}"


@functools.cache
def signing_key() -> rsa.RSAPrivateKey:
    """Return a key of this process; the emulator reads a token without asking for its key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def token(
    repository: Repository,
    event: str,
    ref: str,
    sha: str,
    audience: str = AUDIENCE,
    environment: str | None = None,
    lifetime: int = 300,
    called: str | None = None,
) -> str:
    """Return a signed token like the one GitHub gives a job.

    It is valid for `lifetime` seconds; with a negative number it has expired that long ago.
    `called` is the reusable workflow of the job, at its ref; without it the job is deploy.yml's.
    """
    now = int(time.time())
    issued = min(now, now + lifetime - 1)
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": audience,
        "sub": repository.subject(event, ref, environment),
        "jti": str(uuid.uuid4()),
        "iat": issued,
        "nbf": issued,
        "exp": now + lifetime,
        "ref": ref,
        "ref_type": "tag" if ref.startswith("refs/tags/") else "branch",
        "sha": sha,
        "event_name": event,
        "repository": repository.full_name,
        "repository_id": str(repository.repository_id),
        "repository_owner": repository.full_name.split("/")[0],
        "repository_owner_id": str(repository.owner_id),
        "repository_visibility": "private",
        "workflow": "deploy",
        "job_workflow_ref": called or f"{repository.full_name}/.github/workflows/deploy.yml@{ref}",
        "runner_environment": "github-hosted",
    }
    if environment is not None:
        claims["environment"] = environment
    return jwt.encode(claims, signing_key(), algorithm="RS256", headers={"kid": "rehearsal"})


class TokenServer:
    """Where jobs ask for their tokens: an HTTP server on 127.0.0.1 for as long as a block lasts.

    Each run gets a URL and a bearer token of its own, as ACTIONS_ID_TOKEN_REQUEST_URL and
    ACTIONS_ID_TOKEN_REQUEST_TOKEN name them.
    """

    def __init__(self) -> None:
        self.issued: list[str] = []  # every token that was given
        self.runs: dict[str, tuple[str, str, Callable[[str], str]]] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> TokenServer:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def run(self, run_id: str, owner: str, sign: Callable[[str], str]) -> dict[str, str]:
        """Return the variables that let a run ask for tokens; `sign` makes one for an audience."""
        bearer = secrets.token_urlsafe(32)
        self.runs[f"/{run_id}"] = (bearer, f"https://github.com/{owner}", sign)
        host, port = self.server.server_address[:2]
        return {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://{host!s}:{port}/{run_id}?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": bearer,
        }

    def answer(self, url: str, authorization: str) -> tuple[int, dict[str, Any]]:
        """Return status and content of the answer to one request."""
        parts = urlsplit(url)
        bearer, audience, sign = self.runs.get(parts.path, (None, "", str))
        if bearer is None or authorization.split() not in (["bearer", bearer], ["Bearer", bearer]):
            return 401, {"message": "the bearer token is not the one of this run"}
        value = sign(parse_qs(parts.query).get("audience", [audience])[0])
        self.issued.append(value)
        return 200, {"count": len(value), "value": value}

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """Return the class that http.server makes an instance of for each connection."""
        server = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                status, content = server.answer(self.path, self.headers.get("Authorization", ""))
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        return Handler
