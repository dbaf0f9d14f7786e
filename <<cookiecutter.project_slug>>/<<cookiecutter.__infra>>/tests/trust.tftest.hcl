# Who can publish from this project, and what its role can do. A change that widens either fails here.
# If you want such a change, edit this file, too, in the same pull request. "make test" needs no AWS account.
# "make check" reports who else can publish because of what you add to infra/.

provider "aws" {
  region                      = "<< cookiecutter.aws_region >>"
  access_key                  = "not-a-key"
  secret_key                  = "not-a-key"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

# % set partition = cookiecutter.aws_region | partition
# % set host, audience = "token.actions.githubusercontent.com", "sts." ~ (cookiecutter.aws_region | domain)
# % set provider = "arn:" ~ partition ~ ":iam::" ~ cookiecutter.aws_account_id ~ ":oidc-provider/" ~ host
# % set prefix = "repo:" ~ cookiecutter.github_repository.replace("/", "@1/") ~ "@2"
# % set ref = "refs/heads/main" if cookiecutter.deploy_on == "branch" else "refs/tags/v*"
# % set place = cookiecutter.github_environment
# % set subject = prefix ~ (":environment:" ~ place.replace(":", "%3A") if place else ":ref:" ~ ref)
# % set test_ref = place != "" and partition == "aws"
# % set on_ref = "the_branch_main" if cookiecutter.deploy_on == "branch" else "a_tag_that_begins_with_v"
# % set publisher = "a_job_in_the_environment" ~ ("_on_" ~ on_ref if test_ref else "") if place else on_ref
# % set role = cookiecutter.project_slug | role_name
# The entry of terraform.tfvars.json. The ids 1 and 2 stand for those that GitHub reports.
variables {
  account = {
    id                = "<< cookiecutter.aws_account_id >>"
    region            = "<< cookiecutter.aws_region >>"
    partition         = "<< partition >>"
    oidc_provider_arn = "<< provider >>"
    audience          = "<< audience >>"
  }
  entry = {
    github_repository = "<< cookiecutter.github_repository >>"
    subject_prefix    = "<< prefix >>"
    refs              = ["<< ref >>"]
    # % if place
    environment       = "<< place >>"
    # % endif
    # % if place and not test_ref
    test_ref          = false
    # % endif
    ecr_repository    = "<< cookiecutter.ecr_repository >>"
    role_name         = "<< role >>"
    pull_accounts     = ["444455556666"] # another account, to see that it can only pull
  }
}

run "only_<< publisher >>_may_publish" {
  command = plan

  module {
    source = "./repository"
  }

  assert {
    condition = jsondecode(aws_iam_role.push.assume_role_policy) == {
      Version = "2012-10-17"
      Statement = [{
        Effect    = "Allow"
        Action    = "sts:AssumeRoleWithWebIdentity"
        Principal = { Federated = "<< provider >>" }
        Condition = {
          # % if not place and cookiecutter.deploy_on != "branch"
          StringEquals = { "<< host >>:aud" = "<< audience >>" }
          StringLike   = { "<< host >>:sub" = "<< subject >>" }
          # % else
          StringEquals = {
            "<< host >>:aud" = "<< audience >>"
            "<< host >>:sub" = "<< subject >>"
            # % if test_ref and cookiecutter.deploy_on == "branch"
            "<< host >>:ref" = "<< ref >>"
            # % endif
          }
          # % if test_ref and cookiecutter.deploy_on != "branch"
          StringLike = { "<< host >>:ref" = "<< ref >>" }
          # % endif
          # % endif
        }
      }]
    }
    error_message = "The trust policy differs from the one stated here: ${aws_iam_role.push.assume_role_policy}"
  }

  assert {
    condition = jsonencode([
      for entry in [merge([for name in fileset(".", "*.tfvars.json") : jsondecode(file(name)).repositories]...)["<< cookiecutter.project_slug >>"]] :
      [entry.refs, entry.environment, lookup(entry, "test_ref", true)]
    ]) == jsonencode([[var.entry.refs, var.entry.environment, var.entry.test_ref]])
    error_message = "terraform.tfvars.json has other refs, another environment or another test_ref than this test."
  }
}

run "its_role_may_push_to_one_registry_and_do_nothing_else" {
  command = plan

  module {
    source = "./repository"
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.push.policy) == {
      Version = "2012-10-17"
      Statement = [
        { Sid = "LogIn", Effect = "Allow", Action = "ecr:GetAuthorizationToken", Resource = "*" },
        {
          Sid    = "Push"
          Effect = "Allow"
          Action = [
            "ecr:UploadLayerPart",
            "ecr:PutImage",
            "ecr:InitiateLayerUpload",
            "ecr:GetDownloadUrlForLayer",
            # % if cookiecutter.second_tag == "latest"
            "ecr:DescribeImages",
            # % endif
            "ecr:CompleteLayerUpload",
            "ecr:BatchGetImage",
            "ecr:BatchCheckLayerAvailability",
          ]
          Resource = "arn:<< partition >>:ecr:<< cookiecutter.aws_region >>:<< cookiecutter.aws_account_id >>:repository/<< cookiecutter.ecr_repository >>"
        },
      ]
    }
    error_message = "The role may do something else: ${aws_iam_role_policy.push.policy}"
  }

  assert {
    condition     = jsondecode(aws_ecr_repository_policy.pull[0].policy).Statement[*].Action == [["ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage", "ecr:BatchCheckLayerAvailability"]]
    error_message = "Another account may do more than pull: ${aws_ecr_repository_policy.pull[0].policy}"
  }

  # % if cookiecutter.second_tag == "latest"
  assert {
    condition     = aws_ecr_repository.image.image_tag_mutability_exclusion_filter[*].filter == ["latest"]
    error_message = "Another tag than latest can be moved to another image."
  }

  # % endif
  assert {
    condition     = aws_ecr_repository.image.image_tag_mutability == "<< cookiecutter.__tag_mutability >>"
    error_message = "A tag can be moved to another image."
  }
}
