# Where the images stand, and what the role may do there: push.

locals {
  # Composed, so that the first plan shows the policy in full.
  ecr_repository_arn = "arn:${var.account.partition}:ecr:${var.account.region}:${var.account.id}:repository/${var.ecr_repository}"
}

resource "aws_ecr_repository" "image" {
  name                 = var.ecr_repository
  image_tag_mutability = "<< cookiecutter.__tag_mutability >>"

  # % if cookiecutter.second_tag == "latest"
  image_tag_mutability_exclusion_filter {
    filter      = "latest"
    filter_type = "WILDCARD"
  }

  # % endif
  encryption_configuration {
    encryption_type = "AES256" # a KMS key of your own costs money: choose it on purpose
  }

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "image" {
  repository = aws_ecr_repository.image.name
  policy     = file("${path.module}/lifecycle.json")
}

data "aws_iam_policy_document" "push" {
  statement {
    sid       = "LogIn"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"] # this action knows no resource
  }

  statement {
    sid       = "Push"
    actions   = jsondecode(file("${path.module}/push-actions.json"))
    resources = [local.ecr_repository_arn]
  }
}

resource "aws_iam_role_policy" "push" {
  name   = "push"
  role   = aws_iam_role.push.name
  policy = data.aws_iam_policy_document.push.json
}
