"""Which service of AWS runs the image: service.json says it."""

from __future__ import annotations

from keyless.model.service import APP_RUNNER, ECS, Service
from keyless.release import app_runner, ecs_express
from keyless.release.running import Target


def target_of(service: Service) -> Target:
    """Return what runs a service, as `deploy_to` of service.json says; nothing is asked of AWS."""
    if service.target == ECS:
        return ecs_express.ExpressService(service)
    if service.target == APP_RUNNER:
        return app_runner.AppRunnerService(service)
    raise ValueError(f"deploy_to is {service.target}")
