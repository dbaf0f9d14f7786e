# What runs the image: an App Runner service, with the settings of service.json. deploy.yml creates it from
# the first image. Here are its roles, and what the role of deploy.yml can do with the service.

locals {
  service = jsondecode(file("${path.module}/../service.json"))
  served  = { for key, entry in var.repositories : key => entry if key == local.service.entry } # only in the state of that entry

  runner_arn     = "arn:${data.aws_partition.current.partition}:apprunner:${var.aws_region}:${var.aws_account_id}"
  service_role   = "arn:${data.aws_partition.current.partition}:iam::${var.aws_account_id}:role${var.role_path}${local.service.name}"
  secrets        = distinct([for arn in values(local.service.secrets) : join(":", slice(split(":", arn), 0, min(7, length(split(":", arn)))))])
  secrets_by_use = { for action, mark in { "secretsmanager:GetSecretValue" = ":secretsmanager:", "ssm:GetParameters" = ":ssm:" } : action => [for arn in local.secrets : arn if strcontains(arn, mark)] }
}

# Pulls the image.
resource "aws_iam_role" "access" {
  for_each = local.served

  name                 = "${local.service.name}-access"
  path                 = var.role_path
  description          = "Pulls the image of ${local.service.name}"
  assume_role_policy   = data.aws_iam_policy_document.service_trust["build"].json
  permissions_boundary = var.permissions_boundary
}

resource "aws_iam_role_policy_attachment" "access" {
  for_each = local.served

  role       = aws_iam_role.access[each.key].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AWSAppRunnerServicePolicyForECRAccess"
}

# What the application itself can do: read its secrets. A file of your own can attach more.
resource "aws_iam_role" "instance" {
  for_each = local.served

  name                 = "${local.service.name}-instance"
  path                 = var.role_path
  description          = "What ${local.service.name} itself may do"
  assume_role_policy   = data.aws_iam_policy_document.service_trust["tasks"].json
  permissions_boundary = var.permissions_boundary
}

data "aws_iam_policy_document" "service_trust" {
  for_each = toset(["build", "tasks"])

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["${each.key}.apprunner.amazonaws.com"]
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
  role   = aws_iam_role.instance[each.key].name
  policy = data.aws_iam_policy_document.secrets.json
}

data "aws_iam_policy_document" "deploy" {
  statement {
    sid       = "Find"
    actions   = ["apprunner:ListServices"]
    resources = ["*"] # this action cannot be limited to a resource
  }

  statement {
    sid     = "Deploy"
    actions = ["apprunner:CreateService", "apprunner:UpdateService"]
    resources = [
      "${local.runner_arn}:service/${local.service.name}/*",
      "${local.runner_arn}:autoscalingconfiguration/instances-*", # the service gets one of these
    ]
  }

  statement {
    sid       = "Look"
    actions   = ["apprunner:DescribeService", "apprunner:ListOperations"]
    resources = ["${local.runner_arn}:service/${local.service.name}/*"]
  }

  statement {
    sid       = "Scaling"
    actions   = ["apprunner:CreateAutoScalingConfiguration", "apprunner:DescribeAutoScalingConfiguration"]
    resources = ["${local.runner_arn}:autoscalingconfiguration/instances-*"]
  }

  statement {
    sid       = "Events"
    actions   = ["logs:FilterLogEvents"]
    resources = ["arn:${data.aws_partition.current.partition}:logs:${var.aws_region}:${var.aws_account_id}:log-group:/aws/apprunner/${local.service.name}/*"]
  }

  statement {
    sid       = "PassRoles"
    actions   = ["iam:PassRole"]
    resources = ["${local.service_role}-access", "${local.service_role}-instance"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["apprunner.amazonaws.com", "build.apprunner.amazonaws.com", "tasks.apprunner.amazonaws.com"]
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
