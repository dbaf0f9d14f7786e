"""Calls to AWS that the steps of a job make, as IAM names them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.model.documents import Mapping
from keyless.model.workflows import CREDENTIALS, LOGIN, script_of

# A call may fail without an end to the job.
_TOLERATED = re.compile(r"\|\|\s*(true|:|echo|exit 0|printf)|--profile\b|--no-sign-request")
_OPTION = r"(?:--[\w-]+(?:=|\s+)\S+\s+)*"
_START = r"(?m)(?:^|[;&|(`!=]|\b(?:then|do|else|if)\b)\s*"
_CALL = re.compile(rf"{_START}aws\s+{_OPTION}([a-z0-9-]+)\s+{_OPTION}([a-z][a-z0-9-]*)([^\n]*)")
# They need no permission, or call nobody.
_FREE = {"sts", "configure", "help", "sso", "history"}
_NAMES = {  # of the CLI, where IAM has another one
    ("ecr", "get-login-password"): "ecr:GetAuthorizationToken",
    ("ecr", "get-login"): "ecr:GetAuthorizationToken",
    ("ecr", "wait"): "ecr:DescribeImageScanFindings",
    ("s3", "cp"): "s3:PutObject",
    ("s3", "sync"): "s3:PutObject",
    ("s3", "mv"): "s3:PutObject",
    ("s3", "ls"): "s3:ListBucket",
    ("s3", "rm"): "s3:DeleteObject",
    ("cloudformation", "deploy"): "cloudformation:CreateChangeSet",
}
_PREFIXES = {"elbv2": "elasticloadbalancing", "logs": "logs", "ecr-public": "ecr-public"}
# Actions of AWS that call it for a job: what the name holds, and the first call.
_ACTIONS = {
    "amazon-ecs-deploy": "ecs:RegisterTaskDefinition",
    "aws-cloudformation-github-deploy": "cloudformation:CreateChangeSet",
    "aws-lambda-deploy": "lambda:UpdateFunctionCode",
    "aws-codebuild-run-build": "codebuild:StartBuild",
    "aws-secretsmanager-get-secrets": "secretsmanager:GetSecretValue",
    "aws-eks": "eks:DescribeCluster",
}
_TOOLS = {  # programs that make many calls: the first one
    r"\bcdk\s+deploy\b": "cloudformation:CreateChangeSet",
    r"\bsam\s+deploy\b": "cloudformation:CreateChangeSet",
    r"\b(serverless|sls)\s+deploy\b": "cloudformation:CreateStack",
    r"\bcopilot\s+(\w+\s+)?deploy\b": "cloudformation:CreateChangeSet",
    r"\beksctl\s+\w": "eks:DescribeCluster",
}


def calls_of(step: Mapping) -> Iterator[str]:
    """Yield the actions that a step needs, unless the job goes on without them."""
    if step.text("continue-on-error") not in ("", "false"):
        return
    name = step.action().partition("@")[0]
    if name.startswith("aws-actions/") and name not in (CREDENTIALS, LOGIN):
        short = name.partition("/")[2]
        yield from (call for start, call in _ACTIONS.items() if short.startswith(start))
    script = script_of(step)
    for service, command, rest in _CALL.findall(script):
        if service not in _FREE and not _TOLERATED.search(rest):
            yield _action(service, command)
    yield from (call for tool, call in _TOOLS.items() if re.search(tool, script))


def _action(service: str, command: str) -> str:
    known = _NAMES.get((service, command))
    words = "".join(part.title() for part in command.split("-"))
    return known or f"{_PREFIXES.get(service, service)}:{words}"
