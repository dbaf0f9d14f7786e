"""Log in to the account's registry, as aws-actions/amazon-ecr-login does."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path

from tests.standins.actions import aws, step

TARGET = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
HEADERS = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": TARGET}


def registry(proxy_endpoint: str) -> str:
    """Return the host of the registry that AWS names; the emulator forgets the end of China's."""
    host = proxy_endpoint.removeprefix("https://")
    return f"{host}.cn" if re.search(r"\.ecr\.cn-[^.]+\.amazonaws\.com$", host) else host


def main() -> None:
    """Keep the password of the registry for the push, in the form of Docker's config.json."""
    given = step.inputs()
    step.only("amazon-ecr-login", given, "registry-type", "mask-password", "skip-logout")
    if given["registry-type"] != "private":
        step.fail("The stand-in for amazon-ecr-login knows the account's own registry only")
    region = os.environ.get("AWS_REGION", "")
    if not region:
        step.fail("Region is missing")
    try:
        credentials = aws.Credentials.of_environment()
        answer = json.loads(aws.call("ecr", region, HEADERS, b"{}", credentials))
    except aws.Refused as refused:
        step.fail(str(refused))
    given_by_aws = answer["authorizationData"][0]
    token = given_by_aws["authorizationToken"]
    for value in (token, base64.b64decode(token).decode().split(":", 1)[1]):
        step.secret(value)
    host = registry(given_by_aws["proxyEndpoint"])
    config = Path(os.environ["RUNNER_TEMP"], "docker", "config.json")  # gone when the job ends
    config.parent.mkdir(exist_ok=True)
    config.write_text(json.dumps({"auths": {host: {"auth": token}}}))
    print(f"Logging into registry {host}")
    step.output("registry", host)


if __name__ == "__main__":
    main()
