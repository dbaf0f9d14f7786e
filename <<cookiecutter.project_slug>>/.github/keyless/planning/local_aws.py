"""A small AWS on 127.0.0.1: it says who asks and which identity provider exists, nothing else.

Terraform's AWS provider asks who it is before it plans, and a lookup of the identity provider asks
for that one. Everything else is refused at once, so a plan never waits for an account.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs

from keyless.model.account import Account

# Terraform lets AWS read the definition of a state machine before it plans one.
VALIDATING = ".ValidateStateMachineDefinition"
REFUSAL = "This plan is made without AWS, so nothing can be looked up there"
EXPIRES = "2099-01-01T00:00:00Z"


@contextmanager
def local_aws(account: Account) -> Iterator[dict[str, str]]:
    """Run it for as long as the block lasts; yield the environment in which a program finds it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(account)) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
                "AWS_ACCESS_KEY_ID": _key_of(account.id),
                "AWS_SECRET_ACCESS_KEY": "none",
                "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_MAX_ATTEMPTS": "5",  # of what did not arrive; a refusal is not repeated
            }
        finally:
            server.shutdown()


def _key_of(number: str) -> str:
    """Return an access key that holds the account whose it is."""
    return f"AKIA{number}"


def _handler(account: Account) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = {key: given[0] for key, given in parse_qs(body.decode("latin-1")).items()}
            who = re.search(r"Credential=AKIA(\d{12})/", self.headers.get("Authorization") or "")
            answer = _ANSWERS.get(asked.get("Action", ""))
            text = answer(account, who[1] if who else account.id, asked) if answer else ""
            self._answer(text, asked.get("Action", ""))

        def do_GET(self) -> None:
            self._answer("", "")

        do_HEAD = do_PUT = do_DELETE = do_PATCH = do_GET  # noqa: N815

        def _answer(self, text: str, action: str) -> None:
            if self.headers.get("X-Amz-Target", "").endswith(VALIDATING):
                text = '{"result":"OK","diagnostics":[]}'
                self.send_response(200)
            elif not text:
                text = (
                    "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
                    f"<Message>{REFUSAL}</Message></Error><Code>AccessDenied</Code>"
                    f"<Message>{REFUSAL}</Message></ErrorResponse>"
                )
                if self.headers.get("X-Amz-Target") or "json" in str(self.headers["Content-Type"]):
                    text = f'{{"__type":"AccessDeniedException","message":"{REFUSAL}"}}'
                self.send_response(403)
                self.send_header("x-amzn-ErrorType", "AccessDeniedException")
            else:
                text = f"<{action}Result>{text}</{action}Result>"
                text = f"<{action}Response>{text}</{action}Response>"
                self.send_response(200)
            data = text.encode() if self.command != "HEAD" else b""
            self.send_header("Content-Type", "text/xml" if text[:1] == "<" else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    return Handler


def _caller(account: Account, who: str, _asked: dict[str, str]) -> str:
    arn = f"arn:{account.partition}:iam::{who}:user/plan"
    return f"<Arn>{arn}</Arn><UserId>AIDAPLAN</UserId><Account>{who}</Account>"


def _role(_account: Account, who: str, asked: dict[str, str]) -> str:
    arn = asked.get("RoleArn", "")
    number = (re.findall(r"::(\d{12}):", arn) or [who])[0]
    return (
        f"<Credentials><AccessKeyId>{_key_of(number)}</AccessKeyId>"
        "<SecretAccessKey>none</SecretAccessKey><SessionToken>none</SessionToken>"
        f"<Expiration>{EXPIRES}</Expiration></Credentials><AssumedRoleUser><Arn>{arn}/plan</Arn>"
        "<AssumedRoleId>AROAPLAN:plan</AssumedRoleId></AssumedRoleUser>"
    )


def _providers(account: Account, _who: str, _asked: dict[str, str]) -> str:
    member = f"<member><Arn>{account.oidc_provider}</Arn></member>"
    return f"<OpenIDConnectProviderList>{member}</OpenIDConnectProviderList>"


def _provider(account: Account, _who: str, asked: dict[str, str]) -> str:
    if asked.get("OpenIDConnectProviderArn") != account.oidc_provider:
        return ""
    clients = f"<ClientIDList><member>{account.audience}</member></ClientIDList>"
    known = f"<Url>{account.issuer}</Url><CreateDate>{EXPIRES}</CreateDate>"
    return f"{known}{clients}<ThumbprintList/>"


_ANSWERS: dict[str, Callable[[Account, str, dict[str, str]], str]] = {
    "GetCallerIdentity": _caller,
    "AssumeRole": _role,
    "ListOpenIDConnectProviders": _providers,
    "GetOpenIDConnectProvider": _provider,
}
