variable "account" {
  type = object({
    id                = string
    region            = string
    partition         = string
    oidc_provider_arn = string
    audience          = string
  })
  description = "What all repositories of the account share; the caller has judged it."
  nullable    = false
}

variable "github_repository" {
  type        = string
  description = "owner/name as GitHub shows it, case kept."
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository is not owner/name, so no subject can be derived from it. Write it as GitHub shows it, for example \"octo-org/example-service\"."
  }
}

variable "subject_prefix" {
  type        = string
  description = "What GitHub puts before the context of the subject: repo:OWNER@ID/NAME@ID, or repo:OWNER/NAME for repositories from before 2026-07-15. null: not known yet."

  validation {
    condition     = var.subject_prefix != null
    error_message = "The subject that GitHub presents for ${var.github_repository} is not known yet, so no role can trust it. Ask GitHub and note the answer with \"make subject\", or write it into infra/terraform.tfvars.json as this entry's subject_prefix yourself:\n\n  gh api repos/${var.github_repository}/actions/oidc/customization/sub --jq .sub_claim_prefix"
  }

  validation {
    condition = var.subject_prefix == null || (
      can(regex("^repo:[^@/:]+(/[^@/:]+|@[0-9]+/[^@/:]+@[0-9]+)$", var.subject_prefix)) &&
      replace(coalesce(var.subject_prefix, "-"), "/@[0-9]+/", "") == "repo:${var.github_repository}"
    )
    error_message = "subject_prefix \"${coalesce(var.subject_prefix, "-")}\" does not name ${var.github_repository} with both numeric ids or with neither, so no token of it can match. Write what GitHub answers, for example \"repo:octo-org@123456/example-service@456789\"."
  }
}

variable "refs" {
  type        = list(string)
  description = "The Git refs that may publish. A trailing * stands for any characters."
  nullable    = false

  validation {
    condition     = length(var.refs) > 0 && alltrue([for ref in var.refs : can(regex("^refs/(heads|tags)/[^*?$\\s]+[*]?$", ref))])
    error_message = "refs holds no ref, or one that is not refs/heads/NAME or refs/tags/NAME with at most a trailing * behind some text, so anybody's branch might publish. Write for example [\"refs/tags/v*\"]."
  }
}

variable "environment" {
  type        = string
  description = "The GitHub environment of the publishing job. null: the job has none."
  default     = null

  validation {
    condition     = var.environment == null || can(regex("^[^*?$]+$", var.environment))
    error_message = "environment is empty or holds a *, a ? or a $, so it would not name one environment. Write for example \"production\", or null."
  }
}

variable "ecr_repository" {
  type        = string
  description = "The name of the repository in ECR."
  nullable    = false

  validation {
    condition     = length(var.ecr_repository) <= 256 && can(regex("^[a-z][a-z0-9]*((\\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*$", var.ecr_repository)) && length(var.ecr_repository) >= 2
    error_message = "ecr_repository is no name that ECR accepts, so the registry could not be created. Write 2 to 256 lower-case characters, for example \"example-service\"."
  }
}

variable "role_name" {
  type        = string
  description = "The name of the role."
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=,.@-]{1,64}$", var.role_name)) && var.role_name != "GitHubActions"
    error_message = "role_name is not 1 to 64 letters, digits or _+=,.@-, or is GitHubActions, which is reported not to be assumable, so the workflow could not use it. Write for example \"example-service-push\"."
  }
}
