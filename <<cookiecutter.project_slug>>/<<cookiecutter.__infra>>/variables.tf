# Values stand in terraform.tfvars.json, which Terraform reads by itself.

variable "aws_account_id" {
  type        = string
  description = "The AWS account that holds the provider, the roles and the registries."
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.aws_account_id))
    error_message = "aws_account_id is not 12 digits, so no account can be meant. Write it as text, for example \"111122223333\"."
  }
}

variable "aws_region" {
  type        = string
  description = "The region of the registries. Roles and the provider are global."
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-gov)?-[a-z]+-[0-9]+$", var.aws_region))
    error_message = "aws_region is not the code of a region, so there is no endpoint to call. Write for example \"us-east-1\"."
  }
}

variable "create_oidc_provider" {
  type        = bool
  description = "true: GitHub's OIDC identity provider is created here. false: the account has it already, and it is looked up."
  nullable    = false
}

variable "oidc_issuer" {
  type        = string
  description = "Who signs GitHub's tokens. Only GitHub Enterprise has others: https://token.actions.githubusercontent.com/SLUG, with data residency https://token.actions.SUBDOMAIN.ghe.com, on a server https://HOST/_services/token."
  default     = "https://token.actions.githubusercontent.com"
  nullable    = false

  validation {
    condition     = can(regex("^https://(token\\.actions\\.githubusercontent\\.com(/[A-Za-z0-9-]+)?|token\\.actions\\.[a-z0-9-]+\\.ghe\\.com|[a-z0-9-]+(\\.[a-z0-9-]+)+/_services/token)$", var.oidc_issuer))
    error_message = "oidc_issuer \"${var.oidc_issuer}\" is no issuer of GitHub's tokens, so every token would be refused. Write for example \"https://token.actions.githubusercontent.com/octo-enterprise\"; without GitHub Enterprise leave it out."
  }
}

variable "role_path" {
  type        = string
  description = "The path of the roles, which stands in their ARNs."
  default     = "/"
  nullable    = false
}

variable "permissions_boundary" {
  type        = string
  description = "The ARN of the policy that bounds what the roles may do. null: none."
  default     = null
}

variable "kms_key" {
  type        = string
  description = "The ARN of the KMS key that encrypts the registries, which costs money. null: AES256. Another value replaces a registry."
  default     = null
}

variable "tags" {
  type        = map(string)
  description = "Tags of everything that is made here."
  default     = {}
  nullable    = false

  validation {
    condition = length(var.tags) <= 50 && alltrue([
      for key, value in var.tags : can(regex("^[\\pL\\pZ\\pN_.:/=+@-]*$", "${key}${value}")) && length(key) > 0 && length(key) <= 128 && length(value) <= 256 && !startswith(lower(key), "aws:")
    ])
    error_message = "tags has more than 50, a key that is empty, longer than 128 characters or begins with aws:, a value of more than 256, or a character that is no letter, number, space or one of _.:/=+-@, so AWS refuses it. Write for example {\"team\": \"web\"}."
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
  description = "What each GitHub repository may publish. The key never changes, also when the repository is renamed; the values are described in repository/variables.tf."
  nullable    = false

  validation {
    condition = alltrue([
      for attribute in ["role_name", "ecr_repository"] :
      length(distinct([for entry in values(var.repositories) : lower(format("%v", entry[attribute]))])) == length(var.repositories)
    ])
    error_message = "Two entries of repositories share a role_name or an ecr_repository, so one could publish as the other. Give each entry its own, for example \"example-service-push\"."
  }
}
