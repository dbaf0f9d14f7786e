data "aws_partition" "current" {}

module "repository" {
  source   = "./repository"
  for_each = var.repositories

  account = {
    id                = var.aws_account_id
    region            = var.aws_region
    partition         = data.aws_partition.current.partition
    oidc_provider_arn = local.oidc_provider_arn
    audience          = local.audience

    role_path            = var.role_path
    permissions_boundary = var.permissions_boundary
    kms_key              = var.kms_key
  }
  entry = each.value
}
