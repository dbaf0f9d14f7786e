"""What AWS refuses in service.json during a release, often as late as in the deployment.

Each error is the setting, why AWS refuses it, and what to write instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from keyless.model.service import (
    APP_RUNNER,
    ECS,
    PORT_VARIABLE,
    SERVICE_ROLES,
    VERSION_VARIABLE,
    Service,
)

Error = tuple[str, str, str]  # the setting, why it is refused, and what to do

KEY_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
VARIABLES_MAXIMUM = 32_768  # bytes of all variables as JSON; ECS keeps 64 KiB for a task definition

# CPU units and MiB [ECS, "Fargate task size"; App Runner API, InstanceConfiguration].
SIZES: dict[str, dict[int, tuple[int, ...]]] = {
    ECS: {
        256: (512, 1024, 2048),
        512: (*range(1024, 4097, 1024),),
        1024: (*range(2048, 8193, 1024),),
        2048: (*range(4096, 16385, 1024),),
        4096: (*range(8192, 30721, 1024),),
        8192: (*range(16384, 61441, 4096),),
        16384: (*range(32768, 122881, 8192),),
    },
    APP_RUNNER: {
        256: (512, 1024),
        512: (1024,),
        1024: (2048, 3072, 4096),
        2048: (4096, 6144),
        4096: (8192, 10240, 12288),
    },
}

# App Runner is in no other regions, and will not be [endpoints of botocore 1.43, November 2026].
APP_RUNNER_REGIONS = (
    *("us-east-1", "us-east-2", "us-west-2", "ap-south-1", "ap-northeast-1", "ap-southeast-1"),
    *("ap-southeast-2", "eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3"),
)

# More are a quota of the account [ECS and App Runner, "Service quotas"].
INSTANCES_MAXIMUM = {ECS: 1000, APP_RUNNER: 25}


def setting_errors(service: Service) -> Iterator[Error]:
    """Yield what AWS would refuse in a release."""
    yield from _place_errors(service)
    yield from _name_errors(service)
    yield from _listening_errors(service)
    yield from _size_errors(service)
    yield from _instances_errors(service)
    yield from _variables_errors(service)
    yield from _registry_errors(service)


def platform_errors(service: Service, platform: str) -> Iterator[str]:
    """Yield why an image that is built for a platform, such as linux/arm64, does not run there."""
    if service.target == APP_RUNNER and "arm64" in platform:
        yield f"App Runner runs only linux/amd64, but the image is built for {platform}"


def _place_errors(service: Service) -> Iterator[Error]:
    region, regions = service.account.region, "a commercial region"
    there = service.account.partition == "aws"
    if service.target == APP_RUNNER:
        regions = ", ".join(APP_RUNNER_REGIONS)
        there = there and region in APP_RUNNER_REGIONS
    if not there:
        why = f"{service.target} is not known to work in {region}"
        yield "deploy_to", why, f"use {regions}"


def _name_errors(service: Service) -> Iterator[Error]:
    name = service.name
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{3,39}", name):
        mend = "write 4 to 40 letters, digits, - and _, and begin with a letter or digit"
        yield "name", f"{name!r} is not a valid name for a service", mend
    taken = [entry["role_name"].lower() for entry in service.account.entries.values()]
    for kind in SERVICE_ROLES[service.target]:
        if f"{name}-{kind}".lower() in taken:
            why = f"would create the role {name}-{kind}, which an entry already has"
            yield "name", why, "write another name"


def _listening_errors(service: Service) -> Iterator[Error]:
    port, path = service.settings["port"], service.settings["health_check_path"]
    if not 1 <= port <= 65535:
        yield "port", f"{port} is not a port", "write the port that the image listens on"
    if not re.fullmatch("/[!-~]{0,1023}", path):
        yield "health_check_path", f"{path!r} is not a path", 'write for example "/healthz"'


def _size_errors(service: Service) -> Iterator[Error]:
    sizes = SIZES[service.target]
    cpu, memory = service.settings["cpu"], service.settings["memory"]
    if cpu not in sizes:
        units = ", ".join(map(str, sizes))
        yield (
            "cpu",
            f"{cpu} is not a size that AWS offers",
            f"write one of {units} (1024 is one vCPU)",
        )
    elif memory not in sizes[cpu]:
        megabytes = ", ".join(map(str, sizes[cpu]))
        yield (
            "memory",
            f"{memory} is not possible with cpu {cpu}",
            f"write one of {megabytes} (MiB)",
        )


def _instances_errors(service: Service) -> Iterator[Error]:
    least, most = service.settings["min_instances"], service.settings["max_instances"]
    limit, mend = INSTANCES_MAXIMUM[service.target], "write a number of this range"
    if not 1 <= most <= limit:
        yield "max_instances", f"{most} is not between 1 and {limit}", mend
    elif not 1 <= least <= most:
        yield "min_instances", f"{least} is not between 1 and {most} (max_instances)", mend


def _variables_errors(service: Service) -> Iterator[Error]:
    """Yield what is wrong with environment and secrets."""
    settings = service.settings
    for key in ("environment", "secrets"):
        for name, value in settings[key].items():
            error = _variable_error(service, key, name, value)
            if error:
                yield key, *error
    for name in sorted(settings["environment"].keys() & settings["secrets"].keys()):
        yield "secrets", f"{name} is in environment, too", "remove one of them"
    length = len(json.dumps([settings[key] for key in ("environment", "secrets")]))
    if length > VARIABLES_MAXIMUM:
        why = f"takes {length:,} bytes together with secrets"
        yield "environment", why, f"shorten it to at most {VARIABLES_MAXIMUM:,} bytes"


def _variable_error(service: Service, key: str, name: str, value: Any) -> tuple[str, str] | None:
    """Return why a variable is refused and what to do, None where it is not."""
    if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]{0,254}", name):
        return f"{name!r} is not a valid name for a variable", "write letters, digits and _"
    if name in (VERSION_VARIABLE, PORT_VARIABLE) or name.startswith("AWSAPPRUNNER"):
        return f"{name} is set by the pipeline or by AWS", "give it another name"
    if name in KEY_VARIABLES:
        why = f"{name} is a key that works from anywhere until somebody rotates it"
        return why, f"give the role {service.name}-{service.application_role} permissions instead"
    if key == "secrets":
        return _secret_error(service, name, value)
    if not isinstance(value, str) or "\0" in value:
        return f"{name} is not text", f'write "{name}": "text"'
    if service.target == APP_RUNNER and len(value.splitlines()) > 1:
        return f"{name} has several lines, which App Runner refuses", "write one line"
    return None


def _secret_error(service: Service, name: str, value: Any) -> tuple[str, str] | None:
    account = service.account
    if is_secret(value, account.region):
        return None
    why = f"{name} is not the ARN of a secret, of one key in it (ARN:KEY::) or of a parameter"
    why += f" in {account.region}"
    secret = f"arn:aws:secretsmanager:{account.region}:{account.id}:secret:NAME-6RANDOM"
    parameter = f"arn:aws:ssm:{account.region}:{account.id}:parameter/NAME"
    return why, f"write {secret}, or {parameter}"


def is_secret(value: Any, region: str) -> bool:
    """Tell whether a value is the ARN of one secret, with a key in it or without, or parameter."""
    start = rf"arn:aws:(secretsmanager|ssm):{re.escape(region)}:[0-9]{{12}}:"
    end = r"secret:[\w/+=.@!-]+-[A-Za-z0-9]{6}(:[\w.-]*:[\w.-]*:[\w.-]*)?|parameter/[\w./-]+"
    found = isinstance(value, str) and re.fullmatch(f"{start}({end})", value, re.ASCII)
    return bool(found) and (":ssm:" in value) == (":parameter/" in value)


def _registry_errors(service: Service) -> Iterator[Error]:
    name = service.entry["ecr_repository"]
    word = "[a-z0-9]+([._-][a-z0-9]+)*"  # [App Runner API, ImageRepository]
    if service.target == APP_RUNNER and not re.fullmatch(f"({word}/)*{word}", name):
        why = f"App Runner cannot pull from the ECR repository {name!r}"
        yield "deploy_to", why, "separate the words of its name by a single . _ or -"
