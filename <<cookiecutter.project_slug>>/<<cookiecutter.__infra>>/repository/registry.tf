# The ECR repository of the images, what the role can do there (push), and who else can pull.

#trivy:ignore:AVD-AWS-0033 a KMS key of your own costs money: kms_key takes one, on purpose
# % if cookiecutter.second_tag == "latest"
#trivy:ignore:AVD-AWS-0031 latest alone can be moved; every other tag is immutable
# % endif
resource "aws_ecr_repository" "image" {
  # % if cookiecutter.second_tag == "latest"
  #checkov:skip=CKV_AWS_51: latest alone can be moved; every other tag is immutable
  # % endif
  name                 = var.entry.ecr_repository
  force_delete         = var.entry.force_delete
  image_tag_mutability = "<< cookiecutter.__tag_mutability >>"

  # % if cookiecutter.second_tag == "latest"
  image_tag_mutability_exclusion_filter {
    filter      = "latest"
    filter_type = "WILDCARD"
  }

  # % endif
  encryption_configuration {
    encryption_type = var.account.kms_key == null ? "AES256" : "KMS"
    kms_key         = var.account.kms_key
  }

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "image" {
  repository = aws_ecr_repository.image.name
  # A number in the entry replaces the number in lifecycle.json.
  policy = jsonencode({
    rules = [
      for rule in jsondecode(file("${path.module}/lifecycle.json")).rules : merge(rule, {
        selection = merge(rule.selection, {
          countNumber = coalesce(
            lookup({ untagged = var.entry.expire_untagged_after_days, tagged = var.entry.keep_newest_images }, rule.selection.tagStatus, null),
            rule.selection.countNumber,
          )
        })
      })
    ]
  })
}

data "aws_iam_policy_document" "push" {
  statement {
    sid       = "LogIn"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"] # this action cannot be limited to a resource
  }

  statement {
    sid     = "Push"
    actions = jsondecode(file("${path.module}/push-actions.json"))
    # Written out, so that the first plan shows the whole policy.
    resources = ["arn:${var.account.partition}:ecr:${var.account.region}:${var.account.id}:repository/${var.entry.ecr_repository}"]
  }
}

resource "aws_iam_role_policy" "push" {
  name   = "push"
  role   = aws_iam_role.push.name
  policy = data.aws_iam_policy_document.push.json
}

data "aws_iam_policy_document" "pull" {
  count = length(var.entry.pull_accounts) > 0 ? 1 : 0

  statement {
    sid     = "Pull"
    actions = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]

    principals {
      type        = "AWS"
      identifiers = [for account in var.entry.pull_accounts : "arn:${var.account.partition}:iam::${account}:root"]
    }
  }
}

resource "aws_ecr_repository_policy" "pull" {
  count = length(var.entry.pull_accounts) > 0 ? 1 : 0

  repository = aws_ecr_repository.image.name
  policy     = one(data.aws_iam_policy_document.pull[*].json)
}
