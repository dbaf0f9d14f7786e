# Who may assume the role: the subjects of this GitHub repository's publishing job, and nobody else.

locals {
  oidc_host = split("oidc-provider/", var.account.oidc_provider_arn)[1]

  # A job with an environment presents the environment and no ref; a ":" in its name arrives as %3A
  # (GitHub docs, actions/reference/security/oidc).
  contexts = var.environment == null ? [for ref in var.refs : "ref:${ref}"] : ["environment:${replace(var.environment, ":", "%3A")}"]
  subjects = [for context in local.contexts : "${var.subject_prefix}:${context}"]

  subject_test = anytrue([for subject in local.subjects : endswith(subject, "*")]) ? "StringLike" : "StringEquals"
  ref_test     = anytrue([for ref in var.refs : endswith(ref, "*")]) ? "StringLike" : "StringEquals"
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [var.account.oidc_provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.oidc_host}:aud"
      values   = [var.account.audience]
    }

    condition {
      test     = local.subject_test
      variable = "${local.oidc_host}:sub"
      values   = local.subjects
    }

    dynamic "condition" {
      for_each = var.environment == null ? [] : [var.refs] # that subject carries no ref

      content {
        test     = local.ref_test
        variable = "${local.oidc_host}:ref"
        values   = condition.value
      }
    }
  }
}

resource "aws_iam_role" "push" {
  name                 = var.role_name
  description          = "Pushes images of ${var.github_repository} to ECR"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  max_session_duration = 3600
}
