"""A stand-in for ECS Express Mode and App Runner, in front of MiniStack, which has neither.

Each request is compared with botocore's model of the service. Then it is compared with the policies
of the role that has sent it, and with the permissions that AWS documents for the call. The answers
follow the models, too. A deployment takes a moment, and ends as the test has set.

It does not have instances (nothing is started), tags or custom domains. A service that is deleted
disappears at once.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any, NamedTuple

import botocore.session
import botocore.validate

from tests.standins.iam import allowed

Message = MutableMapping[str, Any]
Parameters = dict[str, Any]
TARGETS = {"AmazonEC2ContainerServiceV20141113": "ecs", "AppRunner": "apprunner"}
OURS = {  # of ECS; of App Runner it is everything
    *("CreateExpressGatewayService", "UpdateExpressGatewayService"),
    *("DescribeExpressGatewayService", "DescribeServiceDeployments", "DescribeServices"),
    *("ListServiceDeployments", "DeleteExpressGatewayService"),
}
TAKES = 0.3  # seconds, unless a test says otherwise


class Failure(Exception):
    """An error that AWS would answer with: its code, and text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Need(NamedTuple):
    """What a call must be allowed: an action on a resource, and the values of condition keys."""

    action: str
    resource: str
    context: Mapping[str, list[str]] = MappingProxyType({})


class Compute:
    """An ASGI application that answers for the two services, and passes on everything else."""

    def __init__(self, application: Callable[..., Awaitable[None]], account: str) -> None:
        self.application, self.account = application, account
        self.requests: list[dict[str, Any]] = []  # operation, parameters, needs, and the error
        # How the next deployments go: takes (seconds), looks (as often it is seen), ends, reason.
        self.moods: list[dict[str, Any]] = []
        self.services: dict[str, dict[str, Any]] = {}  # by ARN
        self.scaling: dict[str, dict[str, Any]] = {}  # by name
        self.loader = botocore.session.get_session()

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        """Answer a request, or pass it on."""
        headers = {k.decode().lower(): v.decode() for k, v in scope.get("headers", [])}
        prefix, _, operation = headers.get("x-amz-target", "").rpartition(".")
        service = TARGETS.get(prefix, "")
        ours = operation in OURS if service == "ecs" else bool(service)
        if not ours and operation != "FilterLogEvents":
            await self.application(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        status, answer = self.answer(service or "logs", operation, json.loads(body), headers)
        sent = [(b"content-type", b"application/x-amz-json-1.1")]
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    def answer(
        self, service: str, operation: str, given: Parameters, headers: dict[str, str]
    ) -> tuple[int, Parameters]:
        """Return status and answer to a call."""
        region = headers["authorization"].split("/")[2]
        noted: dict[str, Any] = {"name": operation, "parameters": given, "needs": [], "error": ""}
        self.requests.append(noted)
        try:
            self.validate(service, operation, given)
            needs = list(self.needs(operation, given, region))
            noted["needs"] = [[need.action, need.resource, dict(need.context)] for need in needs]
            self.authorise(needs, headers)
            words = re.sub("(?<!^)(?=[A-Z])", "_", operation).lower()
            return 200, getattr(self, words)(given, region)
        except Failure as failure:
            noted["error"] = failure.code
            return 400, {"__type": failure.code, "message": str(failure)}

    # What is asked

    def validate(self, service: str, operation: str, given: Parameters) -> None:
        """Hold parameters against the model of the service: names, types, lengths, enums, patterns.

        Raises:
            Failure: they do not fit.
        """
        shape = self.loader.get_service_model(service).operation_model(operation).input_shape
        report = botocore.validate.ParamValidator().validate(given, shape)
        wrong = [report.generate_report()] * report.has_errors() or list(misfits(shape, given, ""))
        if wrong:
            invalid = {"ecs": "InvalidParameterException", "apprunner": "InvalidRequestException"}
            raise Failure(invalid.get(service, "InvalidParameterException"), "; ".join(wrong))

    def needs(self, operation: str, given: Parameters, region: str) -> Iterator[Need]:
        """Yield what a call needs.

        [Service Authorization Reference of ECS and App Runner; README of the action
        amazon-ecs-deploy-express-service; AmazonECS_FullAccess and AWSAppRunnerFullAccess for
        iam:PassedToService]
        """

        def arn(service: str, resource: str) -> str:
            return f"arn:aws:{service}:{region}:{self.account}:{resource}"

        prefix = "ecs" if operation in OURS else "apprunner"
        action = f"{prefix}:{operation}"
        if operation == "DescribeServices":
            for name in given["services"]:
                yield Need(action, arn("ecs", f"service/{given['cluster']}/{name}"))
        elif operation == "ListServiceDeployments":
            yield Need(action, arn("ecs", f"service/{given['cluster']}/{given['service']}"))
        elif operation == "DescribeServiceDeployments":
            for each in given["serviceDeploymentArns"]:
                yield Need(action, each)
                yield Need(action, service_of(each))
        elif operation == "ListServices":
            yield Need(action, "*")
        elif operation == "FilterLogEvents":
            yield Need("logs:FilterLogEvents", arn("logs", f"log-group:{given['logGroupName']}"))
        elif operation == "CreateAutoScalingConfiguration":
            name = given["AutoScalingConfigurationName"]
            yield Need(action, arn(prefix, f"autoscalingconfiguration/{name}/1/{'0' * 32}"))
        elif operation == "DescribeAutoScalingConfiguration":
            yield Need(action, given["AutoScalingConfigurationArn"])
        elif operation == "CreateExpressGatewayService":
            yield Need(action, arn("ecs", f"service/{given['cluster']}/{given['serviceName']}"))
        elif operation == "CreateService":
            yield Need(action, arn(prefix, f"service/{given['ServiceName']}/{'0' * 32}"))
        else:
            yield Need(action, given.get("serviceArn") or given["ServiceArn"])
        if given.get("AutoScalingConfigurationArn") and "Service" in operation:
            yield Need(action, given["AutoScalingConfigurationArn"])
        if "Express" in operation and not operation.startswith("Describe"):
            own = given.get("serviceArn", f"/{given.get('cluster')}/{given.get('serviceName')}")
            family = "-".join(own.split("/")[1:])
            yield Need("ecs:RegisterTaskDefinition", arn("ecs", f"task-definition/{family}:1"))
        for role, passed in roles_in(given):
            yield Need("iam:PassRole", role, {"iam:passedtoservice": [passed]})

    def authorise(self, needs: list[Need], headers: dict[str, str]) -> None:
        """Hold needs against the policies of the role that has sent a request.

        Raises:
            Failure: one of them is not allowed, or the role that is passed is not trusted.
        """
        from ministack.services import iam, sts

        found = re.search("Credential=([^/]+)/", headers["authorization"])
        session = sts._sessions.get(found[1] if found else "")
        for need in needs if session else ():
            caller = str(session["Arn"])
            role = iam._roles.get_scoped(self.account, None, caller.split("/")[1]) or {}
            policies = [as_object(each) for each in (role.get("InlinePolicies") or {}).values()]
            if not allowed(policies, need.action, need.resource, need.context):
                text = f"User: {caller} is not authorized to perform: {need.action} on resource:"
                text += f" {need.resource} because no identity-based policy allows the"
                raise Failure("AccessDeniedException", f"{text} {need.action} action")
        for need in needs:
            if need.action == "iam:PassRole":
                name = need.resource.rpartition("/")[2]
                role = iam._roles.get_scoped(self.account, None, name) or {}
                if "amazonaws.com" not in json.dumps(role.get("AssumeRolePolicyDocument", "")):
                    text = f"Unable to assume the service linked role or the role {need.resource}"
                    raise Failure("InvalidParameterException", text)

    # ECS

    def create_express_gateway_service(self, given: Parameters, region: str) -> Parameters:
        """Create a service; its cluster must be there, as MiniStack has it."""
        from ministack.services import ecs

        name, cluster = given["serviceName"], given["cluster"]
        if not ecs._clusters.get_scoped(self.account, region, cluster):
            raise Failure("ClusterNotFoundException", "Cluster not found.")
        arn = f"arn:aws:ecs:{region}:{self.account}:service/{cluster}/{name}"
        if arn in self.services:
            raise Failure("InvalidParameterException", "Creation of service was not idempotent.")
        self.services[arn] = {"arn": arn, "events": [], "active": None, "pending": None}
        self.begin(arn, configuration(given))
        return {"service": self.express(arn)}

    def delete_express_gateway_service(self, given: Parameters, _region: str) -> Parameters:
        """Delete a service."""
        described = self.express(given["serviceArn"])
        del self.services[given["serviceArn"]]
        return {"service": described}

    def delete_service(self, given: Parameters, _region: str) -> Parameters:
        """Delete a service."""
        described = self.runner(given["ServiceArn"])
        del self.services[given["ServiceArn"]]
        return {"Service": described, "OperationId": str(uuid.uuid4())}

    def update_express_gateway_service(self, given: Parameters, _region: str) -> Parameters:
        """Begin a deployment; one that is under way is stopped."""
        arn = given["serviceArn"]
        service = self.settled(arn)
        if service["pending"]:
            service["pending"].update(ends="STOPPED", reason="superseded", takes=0, looks=0)
            self.settled(arn)
        config = {**configuration(given)}
        self.begin(arn, config)
        return {
            "service": {
                "serviceArn": arn,
                "status": {"statusCode": "ACTIVE"},
                "targetConfiguration": service["pending"]["config"],
            }
        }

    def describe_express_gateway_service(self, given: Parameters, _region: str) -> Parameters:
        """Describe a service."""
        return {"service": self.express(given["serviceArn"])}

    def describe_service_deployments(self, given: Parameters, _region: str) -> Parameters:
        """Describe deployments, also those that have ended."""
        found = []
        for arn in given["serviceDeploymentArns"]:
            for service in self.services:
                known = self.settled(service)
                every = [*known.get("ended", []), *filter(None, [known["pending"]])]
                found += [deployment(each) for each in every if each["arn"] == arn]
        return {"serviceDeployments": found, "failures": []}

    def list_service_deployments(self, given: Parameters, region: str) -> Parameters:
        """List the deployments of a service, the newest first."""
        name = f"service/{given['cluster']}/{given['service']}"
        service = self.settled(f"arn:aws:ecs:{region}:{self.account}:{name}")
        every = [*service.get("ended", []), *filter(None, [service["pending"]])]
        return {
            "serviceDeployments": [
                {
                    "serviceDeploymentArn": each["arn"],
                    "targetServiceRevisionArn": each["config"]["serviceRevisionArn"],
                    "status": each["status"],
                }
                for each in every[::-1]
            ]
        }

    def describe_services(self, given: Parameters, region: str) -> Parameters:
        """Describe a service as one of ECS: here, its events, the newest first."""
        cluster, name = given["cluster"], given["services"][0]
        arn = f"arn:aws:ecs:{region}:{self.account}:service/{cluster}/{name}"
        if arn not in self.services:
            return {"services": [], "failures": [{"arn": arn, "reason": "MISSING"}]}
        events = self.settled(arn)["events"]
        return {"services": [{"serviceArn": arn, "events": events[::-1]}], "failures": []}

    def express(self, arn: str) -> Parameters:
        """Return a service of ECS as it is described."""
        service = self.settled(arn)
        pending = service["pending"]
        configs = [service["active"], pending and pending["config"]]
        described = {
            "serviceArn": arn,
            "serviceName": arn.rpartition("/")[2],
            "cluster": arn.split("/")[1],
            "status": {"statusCode": service.get("status", "ACTIVE")},
            "activeConfigurations": [each for each in configs if each],
        }
        return described | ({"currentDeployment": pending["arn"]} if pending else {})

    # App Runner

    def list_services(self, given: Parameters, _region: str) -> Parameters:
        """List services, one a page, so that nobody reads the first page alone."""
        every = sorted(arn for arn in self.services if ":apprunner:" in arn)
        start = int(given.get("NextToken", 0))
        page = [self.summary(arn) for arn in every[start : start + 1]]
        more = {"NextToken": str(start + 1)} if start + 1 < len(every) else {}
        return {"ServiceSummaryList": page, **more}

    def describe_service(self, given: Parameters, _region: str) -> Parameters:
        """Describe a service."""
        return {"Service": self.runner(given["ServiceArn"])}

    def create_service(self, given: Parameters, region: str) -> Parameters:
        """Create a service."""
        name = given["ServiceName"]
        if any(f":service/{name}/" in arn and ":apprunner:" in arn for arn in self.services):
            text = f"Service with the provided name already exists: {name}."
            raise Failure("InvalidRequestException", text)
        arn = f"arn:aws:apprunner:{region}:{self.account}:service/{name}/{uuid.uuid4().hex}"
        self.services[arn] = {"arn": arn, "events": [], "active": None, "pending": None}
        number = self.begin(arn, self.scaled(given), "CREATE_SERVICE")
        return {"Service": self.runner(arn), "OperationId": number}

    def update_service(self, given: Parameters, _region: str) -> Parameters:
        """Update a service, unless an operation is under way."""
        arn = given["ServiceArn"]
        if self.settled(arn)["pending"]:
            text = "Service cannot be updated in the current state: OPERATION_IN_PROGRESS."
            raise Failure("InvalidStateException", text)
        number = self.begin(arn, self.scaled(given), "UPDATE_SERVICE")
        return {"Service": self.runner(arn), "OperationId": number}

    def list_operations(self, given: Parameters, _region: str) -> Parameters:
        """List the operations on a service, the newest first."""
        service = self.settled(given["ServiceArn"])
        every = [*service.get("ended", []), *filter(None, [service["pending"]])]
        return {
            "OperationSummaryList": [
                {"Id": each["id"], "Type": each["type"], "Status": each["status"]}
                for each in every[::-1]
            ]
        }

    def create_auto_scaling_configuration(self, given: Parameters, region: str) -> Parameters:
        """Make an auto scaling configuration."""
        name = given["AutoScalingConfigurationName"]
        arn = f"arn:aws:apprunner:{region}:{self.account}:autoscalingconfiguration/{name}"
        made = {**given, "AutoScalingConfigurationArn": f"{arn}/1/{uuid.uuid4().hex}"}
        self.scaling[name] = made | {"AutoScalingConfigurationRevision": 1, "Status": "ACTIVE"}
        return {"AutoScalingConfiguration": self.scaling[name]}

    def describe_auto_scaling_configuration(self, given: Parameters, _region: str) -> Parameters:
        """Describe the newest revision of a name."""
        name = given["AutoScalingConfigurationArn"].split("/")[1]
        if name not in self.scaling:
            raise Failure("ResourceNotFoundException", f"AutoScalingConfiguration {name} not found")
        return {"AutoScalingConfiguration": self.scaling[name]}

    def filter_log_events(self, given: Parameters, _region: str) -> Parameters:
        """Return what App Runner logs of a service."""
        _, _, _, name, number, _ = given["logGroupName"].split("/")
        arns = [arn for arn in self.services if arn.endswith(f":service/{name}/{number}")]
        events = [event for arn in arns for event in self.settled(arn)["events"]]
        return {"events": [{"message": each["message"]} for each in events]}

    def scaled(self, given: Parameters) -> Parameters:
        """Return what a service of App Runner is given, with the scaling that it names."""
        name = given["AutoScalingConfigurationArn"].split("/")[1]
        if name not in self.scaling:
            raise Failure("InvalidRequestException", f"AutoScalingConfiguration {name} not found")
        summary = {
            key: self.scaling[name][key]
            for key in ("AutoScalingConfigurationArn", "AutoScalingConfigurationName")
        }
        kept = {key: value for key, value in given.items() if key.endswith("Configuration")}
        return {**kept, "AutoScalingConfigurationSummary": summary, "NetworkConfiguration": {}}

    def runner(self, arn: str) -> Parameters:
        """Return a service of App Runner as it is described."""
        service = self.settled(arn)
        config = service["active"] or (service["pending"] or service["ended"][-1])["config"]
        kept = {key: value for key, value in config.items() if key != "serviceRevisionArn"}
        return {
            **self.summary(arn),
            **kept,
            "CreatedAt": kept.pop("createdAt"),
            "UpdatedAt": time.time(),
        }

    def summary(self, arn: str) -> Parameters:
        """Return what App Runner lists of a service."""
        service = self.settled(arn)
        status = "RUNNING" if service["active"] else "CREATE_FAILED"
        status = "OPERATION_IN_PROGRESS" if service["pending"] else status
        name, number = arn.split("/")[1:]
        return {
            "ServiceArn": arn,
            "ServiceName": name,
            "ServiceId": number,
            "ServiceUrl": f"{number[:10]}.us-east-1.awsapprunner.com",
            "Status": service.get("status", status),
        }

    # Deployments

    def begin(self, arn: str, config: Parameters, kind: str = "") -> str:
        """Begin a deployment, which ends as the test has said; return its id."""
        number = str(uuid.uuid4())
        mood = self.moods.pop(0) if self.moods else {}
        revision = {"serviceRevisionArn": arn.replace(":service/", ":service-revision/") + number}
        self.services[arn]["pending"] = {
            "id": number,
            "arn": arn.replace(":service/", ":service-deployment/") + f"/{number}",
            "type": kind,
            "config": {**config, "createdAt": time.time(), **revision},
            "began": time.time(),
            "status": "IN_PROGRESS",
            "takes": mood.get("takes", TAKES),
            "looks": mood.get("looks", 0),
            "ends": mood.get("ends", "SUCCEEDED" if kind else "SUCCESSFUL"),
            "reason": mood.get("reason", ""),
        }
        return number

    def settled(self, arn: str) -> dict[str, Any]:
        """Return a service, with what has ended meanwhile.

        Raises:
            Failure: there is none.
        """
        if arn not in self.services:
            raise Failure("ResourceNotFoundException", f"The service {arn} was not found.")
        service = self.services[arn]
        pending = service["pending"]
        if pending:
            pending["looks"] -= 1
        if pending and pending["looks"] < 0 and time.time() - pending["began"] >= pending["takes"]:
            pending["status"], service["pending"] = pending["ends"], None
            service.setdefault("ended", []).append(pending)
            if pending["ends"].startswith("SUCCE"):
                service["active"] = pending["config"]
                said = "has reached a steady state."
            else:
                said = pending["reason"] or "was stopped"
            event = {"id": str(uuid.uuid4()), "createdAt": time.time()}
            service["events"].append(event | {"message": f"(service {arn.split('/')[1]}) {said}"})
        return service


def configuration(given: Parameters) -> Parameters:
    """Return what ECS describes of what it was given: with values of its own, in its own order."""
    known = (
        "executionRoleArn",
        "taskRoleArn",
        "healthCheckPath",
        "cpu",
        "memory",
        "cpuArchitecture",
    )
    container = given["primaryContainer"]
    logs = {"logGroup": "/aws/ecs/x", "logStreamPrefix": "ecs"}
    variables = [dict(reversed(each.items())) for each in container.get("environment", [])[::-1]]
    name = "x-0123456789abcdef.ecs.us-east-1.on.aws"
    return {
        **{key: given[key] for key in known if key in given},
        "primaryContainer": {
            **container,
            "environment": variables,
            "awsLogsConfiguration": logs,
        },
        "scalingTarget": {**given["scalingTarget"], "autoScalingMetric": "AVERAGE_CPU"},
        "ingressPaths": [{"accessType": "PUBLIC", "endpoint": name}],
    }


def deployment(made: dict[str, Any]) -> Parameters:
    """Return a deployment as ECS describes it."""
    under_way = made["status"] == "IN_PROGRESS"
    return {
        "serviceDeploymentArn": made["arn"],
        "status": made["status"],
        **({"statusReason": made["reason"]} if made["reason"] and not under_way else {}),
        **({"lifecycleStage": "SCALE_UP"} if under_way else {}),
        "targetServiceRevision": {
            "arn": made["config"]["serviceRevisionArn"],
            "requestedTaskCount": 1,
            "runningTaskCount": int(made["status"] == "SUCCESSFUL"),
            "pendingTaskCount": int(under_way),
        },
    }


def service_of(deployment: str) -> str:
    """Return the ARN of the service that a deployment of ECS belongs to."""
    return deployment.replace(":service-deployment/", ":service/").rpartition("/")[0]


def roles_in(given: Parameters) -> Iterator[tuple[str, str]]:
    """Yield the roles that a call passes on, and to whom."""
    for key, passed in (
        ("executionRoleArn", "ecs-tasks.amazonaws.com"),
        ("taskRoleArn", "ecs-tasks.amazonaws.com"),
        ("infrastructureRoleArn", "ecs.amazonaws.com"),
    ):
        if given.get(key):
            yield given[key], passed
    source = given.get("SourceConfiguration", {})
    for part, key in (
        (source.get("AuthenticationConfiguration", {}), "AccessRoleArn"),
        (given.get("InstanceConfiguration", {}), "InstanceRoleArn"),
    ):
        if part.get(key):
            yield part[key], "apprunner.amazonaws.com"


def misfits(shape: Any, value: Any, path: str) -> Iterator[str]:
    """Yield what botocore's own validator does not look at: enums, patterns, the longest text."""
    if shape.type_name == "structure":
        for name, part in shape.members.items():
            if name in value:
                yield from misfits(part, value[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for each in value:
            yield from misfits(shape.member, each, path)
    elif shape.type_name == "map":
        for key, each in value.items():
            yield from misfits(shape.key, key, path)
            yield from misfits(shape.value, each, path)
    elif shape.type_name == "string":
        enum, pattern = getattr(shape, "enum", None), shape.metadata.get("pattern")
        if enum and value not in enum:
            yield f"{path} {value!r} is none of {enum}"
        if pattern and "\\p{" not in pattern and not re.fullmatch(pattern, value):
            yield f"{path} {value!r} does not match {pattern}"
        if len(value) > shape.metadata.get("max", len(value)):
            yield f"{path} is too long"


def as_object(policy: Any) -> dict[str, Any]:
    """Return a policy, which MiniStack keeps as text."""
    return dict(json.loads(policy) if isinstance(policy, str) else policy)
