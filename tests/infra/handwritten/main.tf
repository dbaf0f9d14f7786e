# What somebody would write by hand for many repositories: the same resources as infra/, each with
# for_each, referring to each other by their key. tests/scale.py measures it beside the template's.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "aws_account_id" { type = string }
variable "aws_region" { type = string }
variable "create_oidc_provider" { type = bool }
variable "repositories" { type = map(any) }

provider "aws" {
  region              = var.aws_region
  allowed_account_ids = [var.aws_account_id]
}

resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

data "aws_iam_policy_document" "trust" {
  for_each = var.repositories

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.github.arn]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringLike"
      variable = "token.actions.githubusercontent.com:sub"
      values   = [for ref in each.value.refs : "${each.value.subject_prefix}:ref:${ref}"]
    }
  }
}

resource "aws_iam_role" "push" {
  for_each = var.repositories

  name               = each.value.role_name
  assume_role_policy = data.aws_iam_policy_document.trust[each.key].json
}

resource "aws_ecr_repository" "image" {
  for_each = var.repositories

  name                 = each.value.ecr_repository
  image_tag_mutability = "IMMUTABLE"

  encryption_configuration {
    encryption_type = "AES256"
  }

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "image" {
  for_each = var.repositories

  repository = aws_ecr_repository.image[each.key].name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      selection = {
        tagStatus   = "untagged"
        countType   = "sinceImagePushed"
        countUnit   = "days"
        countNumber = 7
      }
      action = { type = "expire" }
    }]
  })
}

data "aws_iam_policy_document" "push" {
  for_each = var.repositories

  statement {
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    actions = [
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:CompleteLayerUpload",
      "ecr:GetDownloadUrlForLayer",
      "ecr:InitiateLayerUpload",
      "ecr:PutImage",
      "ecr:UploadLayerPart",
    ]
    resources = [aws_ecr_repository.image[each.key].arn]
  }
}

resource "aws_iam_role_policy" "push" {
  for_each = var.repositories

  name   = "push"
  role   = aws_iam_role.push[each.key].name
  policy = data.aws_iam_policy_document.push[each.key].json
}

output "role_arns" {
  value = { for key, role in aws_iam_role.push : key => role.arn }
}

output "repository_urls" {
  value = { for key, repository in aws_ecr_repository.image : key => repository.repository_url }
}
