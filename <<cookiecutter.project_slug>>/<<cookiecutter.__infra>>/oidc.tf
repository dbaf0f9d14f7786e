# GitHub's OIDC identity provider. An account can have only one per issuer, so create_oidc_provider says
# whether it is created here or looked up. Terraform cannot create it only if it is missing: on the next
# run it would find its own provider, and delete it.

locals {
  # The URL comes from the provider, so every role waits for it. The ARN is composed, so the first plan
  # already shows the trust policies in full.
  provider_url      = one(concat(aws_iam_openid_connect_provider.github[*].url, data.aws_iam_openid_connect_provider.github[*].url))
  oidc_host         = trimprefix(local.provider_url, "https://")
  oidc_provider_arn = "arn:${data.aws_partition.current.partition}:iam::${var.aws_account_id}:oidc-provider/${local.oidc_host}"

  # The audience that aws-actions/configure-aws-credentials asks for: sts.amazonaws.com, in China with .cn.
  audience = "sts.${data.aws_partition.current.dns_suffix}"
}

# No thumbprint: AWS ignores it for GitHub.
resource "aws_iam_openid_connect_provider" "github" {
  count = var.create_oidc_provider ? 1 : 0

  url            = var.oidc_issuer
  client_id_list = [local.audience]

  lifecycle {
    prevent_destroy = true # other repositories of the account need it
  }
}

data "aws_iam_openid_connect_provider" "github" {
  count = var.create_oidc_provider ? 0 : 1

  url = var.oidc_issuer

  lifecycle {
    postcondition {
      condition     = contains(self.client_id_list, local.audience)
      error_message = "The provider ${self.arn} does not know the audience ${local.audience}, so every token would be refused. Add it: aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn ${self.arn} --client-id ${local.audience}"
    }
  }
}
