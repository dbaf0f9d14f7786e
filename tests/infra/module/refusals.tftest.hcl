# What the variables of the module refuse. They need no resource, so variables/, where test_infra.py puts the
# variables.tf of infra/repository/, is planned alone: without the provider, a run takes no time.

variables {
  account = {
    id                = "111122223333"
    region            = "us-east-1"
    partition         = "aws"
    oidc_provider_arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
    audience          = "sts.amazonaws.com"
  }
  entry = {
    github_repository = "octo-org/example-service"
    subject_prefix    = "repo:octo-org@123456/example-service@456789"
    refs              = ["refs/tags/v*"]
    ecr_repository    = "example-service"
    role_name         = "example-service-push"
  }
}

run "without_the_prefix_that_github_reports_nothing_is_planned" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    entry = {
      github_repository = "octo-org/example-service"
      subject_prefix    = null
      refs              = ["refs/tags/v*"]
      ecr_repository    = "example-service"
      role_name         = "example-service-push"
    }
  }

  expect_failures = [var.entry]
}

run "the_audience_of_another_partition_is_refused" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    account = {
      id                = "111122223333"
      region            = "cn-north-1"
      partition         = "aws-cn"
      oidc_provider_arn = "arn:aws-cn:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      audience          = "sts.amazonaws.com"
    }
  }

  expect_failures = [var.account]
}

run "a_prefix_with_the_owners_id_alone_is_refused" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    entry = {
      github_repository = "octo-org/example-service"
      subject_prefix    = "repo:octo-org@123456/example-service"
      refs              = ["refs/tags/v*"]
      ecr_repository    = "example-service"
      role_name         = "example-service-push"
    }
  }

  expect_failures = [var.entry]
}

run "a_prefix_of_another_repository_is_refused" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    entry = {
      github_repository = "octo-org/example-service"
      subject_prefix    = "repo:octo-org@123456/example-service-2@456789"
      refs              = ["refs/tags/v*"]
      ecr_repository    = "example-service"
      role_name         = "example-service-push"
    }
  }

  expect_failures = [var.entry]
}

run "a_prefix_with_a_wildcard_is_refused" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    entry = {
      github_repository = "octo-org/example-service"
      subject_prefix    = "repo:octo-org@*/example-service@*"
      refs              = ["refs/tags/v*"]
      ecr_repository    = "example-service"
      role_name         = "example-service-push"
    }
  }

  expect_failures = [var.entry]
}

run "no_ref_is_refused" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    entry = {
      github_repository = "octo-org/example-service"
      subject_prefix    = "repo:octo-org@123456/example-service@456789"
      refs              = []
      ecr_repository    = "example-service"
      role_name         = "example-service-push"
    }
  }

  expect_failures = [var.entry]
}

run "every_branch_is_refused" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    entry = {
      github_repository         = "octo-org/example-service"
      subject_prefix            = "repo:octo-org@123456/example-service@456789"
      refs                      = ["refs/heads/*"]
      dangerously_trust_any_tag = true
      ecr_repository            = "example-service"
      role_name                 = "example-service-push"
    }
  }

  expect_failures = [var.entry]
}

run "every_tag_is_refused_where_nobody_asked_for_it" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    entry = {
      github_repository = "octo-org/example-service"
      subject_prefix    = "repo:octo-org@123456/example-service@456789"
      refs              = ["refs/tags/v*", "refs/tags/*"]
      ecr_repository    = "example-service"
      role_name         = "example-service-push"
    }
  }

  expect_failures = [var.entry]
}

run "a_policy_variable_in_a_ref_is_refused" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    entry = {
      github_repository = "octo-org/example-service"
      subject_prefix    = "repo:octo-org@123456/example-service@456789"
      refs              = ["refs/tags/$${aws:userid}"]
      ecr_repository    = "example-service"
      role_name         = "example-service-push"
    }
  }

  expect_failures = [var.entry]
}

run "an_environment_with_a_wildcard_is_refused" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    entry = {
      github_repository = "octo-org/example-service"
      subject_prefix    = "repo:octo-org@123456/example-service@456789"
      refs              = ["refs/tags/v*"]
      environment       = "prod*"
      ecr_repository    = "example-service"
      role_name         = "example-service-push"
    }
  }

  expect_failures = [var.entry]
}

run "ids_that_the_subject_does_not_hold_are_not_tested" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    entry = {
      github_repository = "octo-org/example-service"
      subject_prefix    = "repo:octo-org/example-service"
      refs              = ["refs/tags/v*"]
      test_ids          = true
      ecr_repository    = "example-service"
      role_name         = "example-service-push"
    }
  }

  expect_failures = [var.entry]
}

run "ids_are_not_tested_where_their_claims_are_not_known" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    account = {
      id                = "111122223333"
      region            = "us-gov-west-1"
      partition         = "aws-us-gov"
      oidc_provider_arn = "arn:aws-us-gov:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      audience          = "sts.amazonaws.com"
    }
    entry = {
      github_repository = "octo-org/example-service"
      subject_prefix    = "repo:octo-org@123456/example-service@456789"
      refs              = ["refs/tags/v*"]
      test_ids          = true
      ecr_repository    = "example-service"
      role_name         = "example-service-push"
    }
  }

  expect_failures = [var.entry]
}

run "a_workflow_at_no_full_ref_is_refused" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    entry = {
      github_repository = "octo-org/example-service"
      subject_prefix    = "repo:octo-org@123456/example-service@456789"
      refs              = ["refs/tags/v*"]
      job_workflow_ref  = "octo-org/platform/.github/workflows/publish-image.yml@v1"
      ecr_repository    = "example-service"
      role_name         = "example-service-push"
    }
  }

  expect_failures = [var.entry]
}

run "a_workflow_is_not_tested_where_its_claim_is_not_known" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    account = {
      id                = "111122223333"
      region            = "us-gov-west-1"
      partition         = "aws-us-gov"
      oidc_provider_arn = "arn:aws-us-gov:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      audience          = "sts.amazonaws.com"
    }
    entry = {
      github_repository = "octo-org/example-service"
      subject_prefix    = "repo:octo-org@123456/example-service@456789"
      refs              = ["refs/tags/v*"]
      job_workflow_ref  = "octo-org/platform/.github/workflows/publish-image.yml@refs/tags/v1"
      ecr_repository    = "example-service"
      role_name         = "example-service-push"
    }
  }

  expect_failures = [var.entry]
}

run "a_repository_without_an_owner_is_refused" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    entry = {
      github_repository = "example-service"
      subject_prefix    = "repo:example-service"
      refs              = ["refs/tags/v*"]
      ecr_repository    = "example-service"
      role_name         = "example-service-push"
    }
  }

  expect_failures = [var.entry]
}

run "an_upper_case_registry_is_refused" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    entry = {
      github_repository = "octo-org/example-service"
      subject_prefix    = "repo:octo-org@123456/example-service@456789"
      refs              = ["refs/tags/v*"]
      ecr_repository    = "Example-Service"
      role_name         = "example-service-push"
    }
  }

  expect_failures = [var.entry]
}

run "a_role_named_github_actions_is_refused" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    entry = {
      github_repository = "octo-org/example-service"
      subject_prefix    = "repo:octo-org@123456/example-service@456789"
      refs              = ["refs/tags/v*"]
      ecr_repository    = "example-service"
      role_name         = "GitHubActions"
    }
  }

  expect_failures = [var.entry]
}

run "a_session_shorter_than_an_hour_is_refused" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    entry = {
      github_repository    = "octo-org/example-service"
      subject_prefix       = "repo:octo-org@123456/example-service@456789"
      refs                 = ["refs/tags/v*"]
      ecr_repository       = "example-service"
      role_name            = "example-service-push"
      max_session_duration = 1800
    }
  }

  expect_failures = [var.entry]
}

run "an_account_with_hyphens_is_refused" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    entry = {
      github_repository = "octo-org/example-service"
      subject_prefix    = "repo:octo-org@123456/example-service@456789"
      refs              = ["refs/tags/v*"]
      ecr_repository    = "example-service"
      role_name         = "example-service-push"
      pull_accounts     = ["4444-5555-6666"]
    }
  }

  expect_failures = [var.entry]
}

run "images_that_expire_at_once_are_refused" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    entry = {
      github_repository          = "octo-org/example-service"
      subject_prefix             = "repo:octo-org@123456/example-service@456789"
      refs                       = ["refs/tags/v*"]
      ecr_repository             = "example-service"
      role_name                  = "example-service-push"
      expire_untagged_after_days = 0
    }
  }

  expect_failures = [var.entry]
}

run "half_an_image_is_refused" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    entry = {
      github_repository  = "octo-org/example-service"
      subject_prefix     = "repo:octo-org@123456/example-service@456789"
      refs               = ["refs/tags/v*"]
      ecr_repository     = "example-service"
      role_name          = "example-service-push"
      keep_newest_images = 1.5
    }
  }

  expect_failures = [var.entry]
}

run "a_path_without_a_slash_before_it_is_refused" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    account = {
      id                = "111122223333"
      region            = "us-east-1"
      partition         = "aws"
      oidc_provider_arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      audience          = "sts.amazonaws.com"
      role_path         = "github/"
    }
  }

  expect_failures = [var.account]
}

run "a_boundary_in_another_partition_is_refused" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    account = {
      id                   = "111122223333"
      region               = "us-east-1"
      partition            = "aws"
      oidc_provider_arn    = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      audience             = "sts.amazonaws.com"
      permissions_boundary = "arn:aws-cn:iam::111122223333:policy/boundary"
    }
  }

  expect_failures = [var.account]
}

run "a_key_in_another_region_is_refused" {
  command = plan

  module {
    source = "./variables"
  }

  variables {
    account = {
      id                = "111122223333"
      region            = "us-east-1"
      partition         = "aws"
      oidc_provider_arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      audience          = "sts.amazonaws.com"
      kms_key           = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd"
    }
  }

  expect_failures = [var.account]
}
