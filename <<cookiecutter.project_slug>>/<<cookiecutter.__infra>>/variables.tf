# The values are in terraform.tfvars.json, which Terraform reads by itself.

variable "aws_account_id" {
  type        = string
  description = "The AWS account of the OIDC identity provider, the roles and the ECR repositories."
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.aws_account_id))
    error_message = "aws_account_id is not 12 digits, so it names no account. Write it as text, for example \"111122223333\"."
  }
}

variable "aws_region" {
  type        = string
  description = "The region of the ECR repositories. The roles and the provider are global."
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-gov)?-[a-z]+-[0-9]+$", var.aws_region))
    error_message = "aws_region is not the code of a region, so there is no endpoint to call. Write for example \"us-east-1\"."
  }
}

variable "create_oidc_provider" {
  type        = bool
  description = "true creates GitHub's OIDC identity provider. false uses the one that the account already has."
  nullable    = false
}

variable "oidc_issuer" {
  type        = string
  description = "The issuer that signs GitHub's tokens. Only GitHub Enterprise has other ones: https://token.actions.githubusercontent.com/SLUG, with data residency https://token.actions.SUBDOMAIN.ghe.com, or on a server https://HOST/_services/token."
  default     = "https://token.actions.githubusercontent.com"
  nullable    = false

  validation {
    condition     = can(regex("^https://(token\\.actions\\.githubusercontent\\.com(/[A-Za-z0-9-]+)?|token\\.actions\\.[a-z0-9-]+\\.ghe\\.com|[a-z0-9-]+(\\.[a-z0-9-]+)+/_services/token)$", var.oidc_issuer))
    error_message = "oidc_issuer \"${var.oidc_issuer}\" is not an issuer of GitHub's tokens, so every token would be refused. Write for example \"https://token.actions.githubusercontent.com/octo-enterprise\". Without GitHub Enterprise, leave it out."
  }
}

variable "role_path" {
  type        = string
  description = "The path of the roles, which is part of their ARNs."
  default     = "/"
  nullable    = false
}

variable "permissions_boundary" {
  type        = string
  description = "The ARN of the policy that limits what the roles can do. null means none."
  default     = null
}

variable "kms_key" {
  type        = string
  description = "The ARN of the KMS key that encrypts the images, which costs money. null means AES256. A change replaces the ECR repositories."
  default     = null
}

variable "tags" {
  type        = map(string)
  description = "Tags of everything that is created here."
  default     = {}
  nullable    = false

  validation {
    condition = length(var.tags) <= 50 && alltrue([
      for key, value in var.tags : can(regex("^[\\pL\\pZ\\pN_.:/=+@-]*$", "${key}${value}")) && length(key) > 0 && length(key) <= 128 && length(value) <= 256 && !startswith(lower(key), "aws:")
    ])
    error_message = "AWS refuses these tags. Write at most 50. A key has 1 to 128 characters and does not begin with aws:, and a value has at most 256. Both have only letters, numbers, spaces and _.:/=+-@. Write for example {\"team\": \"web\"}."
  }
}

variable "repositories" {
  type = map(object({
    github_repository          = string
    subject_prefix             = optional(string)
    refs                       = list(string)
    dangerously_trust_any_tag  = optional(bool, false)
    environment                = optional(string)
    test_ref                   = optional(bool, true)
    test_ids                   = optional(bool, false)
    job_workflow_ref           = optional(string)
    ecr_repository             = string
    role_name                  = string
    max_session_duration       = optional(number, 3600)
    force_delete               = optional(bool, false)
    pull_accounts              = optional(list(string), [])
    expire_untagged_after_days = optional(number)
    keep_newest_images         = optional(number)
  }))
  description = "What each GitHub repository can publish. The key of an entry never changes, even if the repository is renamed. repository/variables.tf describes the values."
  nullable    = false

  validation {
    condition = alltrue([
      for attribute in ["role_name", "ecr_repository"] :
      length(distinct([for entry in values(var.repositories) : lower(format("%v", entry[attribute]))])) == length(var.repositories)
    ])
    error_message = "Two entries of repositories share a role_name or an ecr_repository, so one could publish as the other. Give each entry its own, for example \"example-service-push\"."
  }
}
