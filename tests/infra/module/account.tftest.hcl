# What stands in terraform.tfvars.json, judged without a call to AWS: the provider is mocked.

mock_provider "aws" {}

variables {
  aws_account_id       = "111122223333"
  aws_region           = "us-east-1"
  create_oidc_provider = true
  repositories         = {}
}

run "an_account_of_eleven_digits_is_refused" {
  command = plan

  variables {
    aws_account_id = "11112222333"
  }

  expect_failures = [var.aws_account_id]
}

run "a_region_without_its_hyphens_is_refused" {
  command = plan

  variables {
    aws_region = "us-east1"
  }

  expect_failures = [var.aws_region]
}

run "two_repositories_never_share_a_role" {
  command = plan

  variables {
    repositories = {
      first = {
        github_repository = "octo-org/first"
        subject_prefix    = "repo:octo-org@123456/first@1"
        refs              = ["refs/tags/v*"]
        ecr_repository    = "first"
        role_name         = "push"
      }
      second = {
        github_repository = "octo-org/second"
        subject_prefix    = "repo:octo-org@123456/second@2"
        refs              = ["refs/tags/v*"]
        ecr_repository    = "second"
        role_name         = "push"
      }
    }
  }

  expect_failures = [var.repositories]
}

run "a_provider_without_the_audience_is_refused" {
  command = plan

  variables {
    create_oidc_provider = false
  }

  override_data {
    target = data.aws_partition.current
    values = { partition = "aws", dns_suffix = "amazonaws.com" }
  }

  override_data {
    target = data.aws_iam_openid_connect_provider.github
    values = { client_id_list = ["https://github.com/octo-org"] }
  }

  expect_failures = [data.aws_iam_openid_connect_provider.github]
}

run "another_issuer_than_githubs_is_refused_and_so_are_tags_of_aws" {
  command = plan

  variables {
    oidc_issuer = "https://gitlab.com"
    tags        = { "aws:team" = "web" }
  }

  expect_failures = [var.oidc_issuer, var.tags]
}

run "a_tag_with_a_character_that_aws_refuses_is_refused" {
  command = plan

  variables {
    tags = { team = "R&D" }
  }

  expect_failures = [var.tags]
}

run "a_tag_in_any_script_is_taken" {
  command = plan

  variables {
    tags = { Kostenstelle = "4711 @ Zürich/Süd" }
  }
}
