"""AWS accepts the settings of the service."""

from __future__ import annotations

from collections.abc import Iterator

from keyless.model.deployments import find_deployment
from keyless.model.documents import line_of_key, read_file
from keyless.model.findings import Finding
from keyless.model.repository import Repository
from keyless.model.service_settings import platform_errors, setting_errors
from keyless.paths import SERVICE_JSON

ID = "service-settings"
WHY = "If AWS does not accept a size, a port or a secret, the release fails halfway."
SOURCES = (
    (
        "AWS: CreateExpressGatewayService",
        "https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateExpressGatewayService.html",
    ),
    (
        "AWS: CreateService",
        "https://docs.aws.amazon.com/apprunner/latest/api/API_CreateService.html",
    ),
)
BEFORE = '"cpu": 256, "memory": 4096'
AFTER = '"cpu": 256, "memory": 512'


def find(repository: Repository) -> Iterator[Finding]:
    """Judge service.json, and the platform that the image is built for."""
    service = repository.service
    if service is None:
        return
    text = read_file(repository.root, SERVICE_JSON)
    for setting, why, mend in setting_errors(service):
        line = line_of_key(text, setting)
        yield Finding(SERVICE_JSON, line, ID, f"{setting} {why}", mend)
    for job in repository.judged:
        deployment = find_deployment(job)
        if deployment is None:
            continue  # which is a finding of same-service
        for why in platform_errors(service, deployment.platform):
            mend = "write PLATFORM: linux/amd64, and runs-on: ubuntu-24.04"
            yield job.finding(deployment.after, "run", ID, why, mend)
