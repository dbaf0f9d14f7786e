# What runs the image: an ECS service in Express Mode, with the settings of service.json. deploy.yml creates
# it from the first image. Here is what must exist before that, and what the role of deploy.yml can do with the service.

locals {
  service = jsondecode(file("${path.module}/../service.json"))
  served  = { for key, entry in var.repositories : key => entry if key == local.service.entry } # only in the state of that entry

  ecs_arn        = "arn:${data.aws_partition.current.partition}:ecs:${var.aws_region}:${var.aws_account_id}"
  service_role   = "arn:${data.aws_partition.current.partition}:iam::${var.aws_account_id}:role${var.role_path}${local.service.name}"
  secrets        = distinct([for arn in values(local.service.secrets) : join(":", slice(split(":", arn), 0, min(7, length(split(":", arn)))))])
  secrets_by_use = { for action, mark in { "secretsmanager:GetSecretValue" = ":secretsmanager:", "ssm:GetParameters" = ":ssm:" } : action => [for arn in local.secrets : arn if strcontains(arn, mark)] }
}

# Express Mode creates load balancer, security groups, logs and scaling by itself.
resource "aws_ecs_cluster" "service" {
  #checkov:skip=CKV_AWS_65: Container Insights cost money for each metric; switch them on when you read them
  for_each = local.served

  name = local.service.name
}

resource "aws_ecs_cluster_capacity_providers" "service" {
  for_each = local.served

  cluster_name       = aws_ecs_cluster.service[each.key].name
  capacity_providers = ["FARGATE"]
}

# Starts the containers: pulls the image, writes logs, reads the secrets.
resource "aws_iam_role" "execution" {
  for_each = local.served

  name                 = "${local.service.name}-execution"
  path                 = var.role_path
  description          = "Starts the containers of ${local.service.name}"
  assume_role_policy   = data.aws_iam_policy_document.service_trust["ecs-tasks"].json
  permissions_boundary = var.permissions_boundary
}

resource "aws_iam_role_policy_attachment" "execution" {
  for_each = local.served

  role       = aws_iam_role.execution[each.key].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

# What the application itself can do: nothing, until a file of your own attaches a policy.
resource "aws_iam_role" "task" {
  for_each = local.served

  name                 = "${local.service.name}-task"
  path                 = var.role_path
  description          = "What ${local.service.name} itself may do"
  assume_role_policy   = data.aws_iam_policy_document.service_trust["ecs-tasks"].json
  permissions_boundary = var.permissions_boundary
}

# Creates what the containers need around them: load balancer, security groups, certificate, scaling.
resource "aws_iam_role" "infrastructure" {
  for_each = local.served

  name                 = "${local.service.name}-infrastructure"
  path                 = var.role_path
  description          = "Makes the load balancer and the scaling of ${local.service.name}"
  assume_role_policy   = data.aws_iam_policy_document.service_trust["ecs"].json
  permissions_boundary = var.permissions_boundary
}

resource "aws_iam_role_policy_attachment" "infrastructure" {
  for_each = local.served

  role       = aws_iam_role.infrastructure[each.key].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonECSInfrastructureRoleforExpressGatewayServices"
}

data "aws_iam_policy_document" "service_trust" {
  for_each = toset(["ecs-tasks", "ecs"])

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["${each.key}.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "secrets" {
  dynamic "statement" {
    for_each = { for action, arns in local.secrets_by_use : action => arns if length(arns) > 0 }

    content {
      actions   = [statement.key]
      resources = statement.value
    }
  }
}

resource "aws_iam_role_policy" "secrets" {
  for_each = length(local.secrets) > 0 ? local.served : {}

  name   = "secrets"
  role   = aws_iam_role.execution[each.key].name
  policy = data.aws_iam_policy_document.secrets.json
}

data "aws_iam_policy_document" "deploy" {
  statement {
    sid = "Service"
    actions = [
      "ecs:CreateExpressGatewayService",
      "ecs:DescribeExpressGatewayService",
      "ecs:DescribeServices",
      "ecs:ListServiceDeployments",
      "ecs:UpdateExpressGatewayService",
    ]
    resources = ["${local.ecs_arn}:service/${local.service.name}/${local.service.name}"]
  }

  statement {
    sid     = "Deployments"
    actions = ["ecs:DescribeServiceDeployments"]
    resources = [ # this action needs both
      "${local.ecs_arn}:service/${local.service.name}/${local.service.name}",
      "${local.ecs_arn}:service-deployment/${local.service.name}/${local.service.name}/*",
    ]
  }

  # To create or update a service, the caller must be allowed to register its task definition (family: CLUSTER-SERVICE).
  statement {
    sid       = "TaskDefinition"
    actions   = ["ecs:RegisterTaskDefinition"]
    resources = ["${local.ecs_arn}:task-definition/${local.service.name}-${local.service.name}:*"]
  }

  statement {
    sid       = "PassRoles"
    actions   = ["iam:PassRole"]
    resources = [for kind in ["execution", "infrastructure", "task"] : "${local.service_role}-${kind}"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com", "ecs.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "deploy" {
  for_each = local.served

  name   = "deploy"
  role   = each.value.role_name
  policy = data.aws_iam_policy_document.deploy.json

  depends_on = [module.repository]
}
