"""One call to AWS, with few imports: an SDK would take longer to load than a job's calls."""

from __future__ import annotations

import json
import os
import random
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode

ATTEMPTS = 3  # what the AWS SDK for JavaScript does with a status of 500 or more


class Credentials(NamedTuple):
    """Temporary credentials, as STS gives them."""

    key_id: str
    secret: str
    token: str

    @classmethod
    def of_environment(cls) -> Credentials:
        """Return the credentials of the job's environment.

        The AWS SDK for JavaScript v3 passes them over where AWS_PROFILE is set
        (credential-provider-node); a hosted runner has no profile.

        Raises:
            Refused: there are none.
        """
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        key_id, secret, token = (os.environ.get(name, "") for name in names)
        if not (key_id and secret) or os.environ.get("AWS_PROFILE"):
            raise Refused("Could not load credentials from any providers")
        return cls(key_id, secret, token)


class Refused(Exception):
    """AWS did not do what it was asked; the text is what it said."""


def sts(
    action: str, region: str, parameters: Mapping[str, str], credentials: Credentials | None = None
) -> dict[str, str]:
    """Call an action of STS; return its answer as text by the name of the element."""
    form = {"Action": action, "Version": "2011-06-15", **parameters}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = call("sts", region, headers, urlencode(form).encode(), credentials)
    return elements(answer)


def elements(document: bytes) -> dict[str, str]:
    """Return the text of each element of an XML document by its name."""
    tree = ET.fromstring(document)  # noqa: S314 - the emulator is trusted
    return {part.tag.split("}")[-1]: part.text or "" for part in tree.iter()}


def call(
    service: str,
    region: str,
    headers: Mapping[str, str],
    body: bytes,
    credentials: Credentials | None = None,
) -> bytes:
    """Send one request, signed if there are credentials, and return the body of the answer.

    Raises:
        Refused: AWS says no, or does not answer in three attempts.
    """
    url = os.environ["AWS_ENDPOINT_URL"] + "/"
    for attempt in range(ATTEMPTS):
        signed = sign(service, region, url, headers, body, credentials)
        try:
            request = urllib.request.Request(url, body, signed)  # noqa: S310 - http on purpose
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return answer.read()  # type: ignore[no-any-return]
        except urllib.error.HTTPError as error:
            with error:
                said = message(error.read()) or f"status {error.code}"
            if error.code < 500 or attempt == ATTEMPTS - 1:
                raise Refused(said) from None
        except OSError as error:
            if attempt == ATTEMPTS - 1:
                raise Refused(str(error)) from None
        time.sleep(random.random() * 0.1 * 2**attempt)  # noqa: S311 - no secret
    raise AssertionError


def message(body: bytes) -> str:
    """Return what an error of AWS says, be it JSON (ECR) or XML (STS); nothing if it is neither."""
    try:
        said = json.loads(body)
        return str(said.get("message") or said.get("Message") or "")
    except ValueError:
        pass
    try:
        return elements(body).get("Message", "")
    except ET.ParseError:
        return ""


def sign(
    service: str,
    region: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    credentials: Credentials | None,
) -> dict[str, str]:
    """Return the headers with AWS's signature, or as they are if there are no credentials."""
    if credentials is None:
        return dict(headers)
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import ReadOnlyCredentials

    request = AWSRequest("POST", url, dict(headers), body)
    SigV4Auth(ReadOnlyCredentials(*credentials), service, region).add_auth(request)
    return dict(request.headers.items())
