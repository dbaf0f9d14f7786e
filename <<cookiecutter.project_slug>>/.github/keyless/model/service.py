"""The service that runs the image: what service.json says of it, and the names that follow.

infra/service.tf makes its roles, the rules judge it, and `keyless deploy` runs the image by it.
What AWS would refuse of the settings is in service_settings.py, what the roles may do, and must, in
service_plan.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from keyless.model.account import Account
from keyless.model.documents import LARGEST, line_of_key, parse_json, read_file
from keyless.model.findings import CannotJudge
from keyless.paths import SERVICE_JSON, SERVICE_TF

ECS, APP_RUNNER = "ecs-express", "app-runner"
TARGETS = (ECS, APP_RUNNER)

# The variables that the pipeline sets; App Runner sets the second one itself.
VERSION_VARIABLE, PORT_VARIABLE = "IMAGE_TAG", "PORT"
SCALING = "instances"  # App Runner's auto scaling configurations are called instances-MIN-MAX

# Each setting: its kind, and an example.
SETTING_KINDS: dict[str, tuple[type, str]] = {
    "deploy_to": (str, f'"{ECS}" or "{APP_RUNNER}"'),
    "entry": (str, '"example-service"'),
    "name": (str, '"example-service"'),
    "port": (int, "8080"),
    "health_check_path": (str, '"/healthz"'),
    "cpu": (int, "256"),
    "memory": (int, "512"),
    "min_instances": (int, "1"),
    "max_instances": (int, "3"),
    "environment": (dict, "{}"),
    "secrets": (dict, "{}"),
}

# The roles that are passed on: who may assume them, and the policy of AWS that each has.
SERVICE_ROLES = {
    ECS: {
        "execution": ("ecs-tasks.amazonaws.com", "service-role/AmazonECSTaskExecutionRolePolicy"),
        "infrastructure": (
            "ecs.amazonaws.com",
            "service-role/AmazonECSInfrastructureRoleforExpressGatewayServices",
        ),
        "task": ("ecs-tasks.amazonaws.com", ""),
    },
    APP_RUNNER: {
        "access": (
            "build.apprunner.amazonaws.com",
            "service-role/AWSAppRunnerServicePolicyForECRAccess",
        ),
        "instance": ("tasks.apprunner.amazonaws.com", ""),
    },
}
SECRETS_ROLE = {ECS: "execution", APP_RUNNER: "instance"}  # the role that reads the secrets
APPLICATION_ROLES = ("task", "instance")  # the application's own: policies may be added to these


class Service(NamedTuple):
    """The settings of a service, and the account and entry that it belongs to."""

    settings: dict[str, Any]
    account: Account
    entry: dict[str, Any]

    @property
    def target(self) -> str:
        """What runs the image: one of TARGETS."""
        return str(self.settings["deploy_to"])

    @property
    def name(self) -> str:
        """The name of the service, and of the cluster that it is alone in."""
        return str(self.settings["name"])

    @property
    def scaling(self) -> str:
        """The name of App Runner's auto scaling configuration."""
        return f"{SCALING}-{self.settings['min_instances']}-{self.settings['max_instances']}"

    @property
    def service_arn(self) -> str:
        """The ARN of the service on ECS; App Runner's ends in a number of its own."""
        return self.arn("ecs", f"service/{self.name}/{self.name}")

    @property
    def roles(self) -> dict[str, str]:
        """The ARNs of the roles that are passed on, by their kind."""
        path = f"role{self.account.role_path}{self.name}"
        return {kind: self.account.arn(f"{path}-{kind}") for kind in SERVICE_ROLES[self.target]}

    @property
    def application_role(self) -> str:
        """The kind of the role that the application has itself."""
        return next(kind for kind in SERVICE_ROLES[self.target] if kind in APPLICATION_ROLES)

    @property
    def roles_of_aws(self) -> list[str]:
        """The kinds of the roles that AWS uses for the service, and the application does not."""
        return [kind for kind in SERVICE_ROLES[self.target] if kind not in APPLICATION_ROLES]

    @property
    def resource_names(self) -> dict[str, str]:
        """The names of the roles and the cluster, by their addresses in infra/service.tf."""
        names = {
            f"aws_iam_role.{kind}": f"{self.name}-{kind}" for kind in SERVICE_ROLES[self.target]
        }
        return {**names, **({"aws_ecs_cluster.service": self.name} if self.target == ECS else {})}

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource of a service of AWS, in the account and the region."""
        account = self.account
        return f"arn:{account.partition}:{service}:{account.region}:{account.id}:{resource}"


def has_service(root: Path) -> bool:
    """Tell whether a repository runs its image; another program may have a service.json, too."""
    path = root / SERVICE_JSON
    if not path.is_file():
        return False
    ours = (root / SERVICE_TF).is_file()
    return ours or b'"deploy_to"' in path.read_bytes()[:LARGEST]


def read_service(root: Path, account: Account) -> Service | None:
    """Return the service that runs the image, None where nothing runs it.

    Raises:
        CannotJudge: its settings cannot be read, or are not of the kind that they must be.
    """
    if not has_service(root):
        return None
    text = read_file(root, SERVICE_JSON)
    settings = parse_json(SERVICE_JSON, text, None)  # what it says arrives as it is
    for key, why, mend in kind_errors(settings):
        raise CannotJudge(f"{SERVICE_JSON}:{line_of_key(text, key)}: {key} {why}; {mend}")
    entry = account.entries.get(settings["entry"])
    if entry is None or not account.made_here:
        place = f"{SERVICE_JSON}:{line_of_key(text, 'entry')}"
        why = f"entry {settings['entry']!r} is not in {account.path}"
        raise CannotJudge(f"{place}: {why}; write {' or '.join(account.entries)}")
    return Service(settings, account, entry)


def kind_errors(settings: Any) -> Iterator[tuple[str, str, str]]:
    """Yield what keeps settings from being judged: missing, unknown, or of another kind.

    Each is the setting, why it cannot be judged, and what to write.
    """
    if not isinstance(settings, dict):
        yield SERVICE_JSON, "is not a JSON object", "restore it"
        return
    for key, (kind, example) in SETTING_KINDS.items():
        value = settings.get(key)
        if type(value) is not kind or (key == "deploy_to" and value not in TARGETS):
            shown = "is missing" if key not in settings else f"is {str(value)[:60]!r}"
            yield key, shown, f'write "{key}": {example}'
    for key in sorted(set(settings) - set(SETTING_KINDS)):
        known = ", ".join(SETTING_KINDS)
        yield ascii(key), "is not a setting, so it has no effect", f"remove it, or write: {known}"
