# Who may publish from this project, and what its role may do. A change that widens either fails here.
# If you want such a change, make it here, too, in the same pull request. "make test" needs no AWS account.

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
# % set role, target = cookiecutter.project_slug | role_name, cookiecutter.deploy_to
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
    condition = length(flatten([
      for name in fileset(path.module, "*.{tf,tf.json,tofu}") :
      regexall("resource \"aws_iam|managed_policy_arns|inline_policy", file("${path.module}/${name}"))
    ])) == 2
    error_message = "repository/ makes more of IAM than the role and its one policy."
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

run "the_rest_of_infra_lets_it_do_<< "nothing_more" if target == "nothing" else "no_more_than_deploy_one_service" >>" {
  command = plan

  variables {
    aws_account_id       = "<< cookiecutter.aws_account_id >>"
    aws_region           = "<< cookiecutter.aws_region >>"
    create_oidc_provider = true
    # % if target != "nothing"
    role_path            = "/"
    # % endif
    repositories = {
      "<< cookiecutter.project_slug >>" = {
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
      }
    }
  }

  # % if target != "nothing"
  assert {
    condition     = [for policy in aws_iam_role_policy.deploy : policy.role] == ["<< role >>"]
    error_message = "Another role may deploy."
  }

  assert {
    condition = jsondecode(data.aws_iam_policy_document.deploy.json).Statement == [
      # % if target == "ecs-express"
      {
        Sid      = "Service"
        Effect   = "Allow"
        Action   = ["ecs:UpdateExpressGatewayService", "ecs:ListServiceDeployments", "ecs:DescribeServices", "ecs:DescribeExpressGatewayService", "ecs:CreateExpressGatewayService"]
        Resource = "arn:aws:ecs:<< cookiecutter.aws_region >>:<< cookiecutter.aws_account_id >>:service/${local.service.name}/${local.service.name}"
      },
      { Sid = "Deployments", Effect = "Allow", Action = "ecs:DescribeServiceDeployments", Resource = "arn:aws:ecs:<< cookiecutter.aws_region >>:<< cookiecutter.aws_account_id >>:service-deployment/${local.service.name}/${local.service.name}/*" },
      { Sid = "TaskDefinition", Effect = "Allow", Action = "ecs:RegisterTaskDefinition", Resource = "*" },
      {
        Sid    = "PassRoles"
        Effect = "Allow"
        Action = "iam:PassRole"
        Resource = [
          "arn:aws:iam::<< cookiecutter.aws_account_id >>:role/${local.service.name}-task",
          "arn:aws:iam::<< cookiecutter.aws_account_id >>:role/${local.service.name}-infrastructure",
          "arn:aws:iam::<< cookiecutter.aws_account_id >>:role/${local.service.name}-execution",
        ]
        Condition = { StringEquals = { "iam:PassedToService" = ["ecs-tasks.amazonaws.com", "ecs.amazonaws.com"] } }
      },
      # % else
      { Sid = "Find", Effect = "Allow", Action = "apprunner:ListServices", Resource = "*" },
      {
        Sid    = "Deploy"
        Effect = "Allow"
        Action = ["apprunner:UpdateService", "apprunner:CreateService"]
        Resource = [
          "arn:aws:apprunner:<< cookiecutter.aws_region >>:<< cookiecutter.aws_account_id >>:service/${local.service.name}/*",
          "arn:aws:apprunner:<< cookiecutter.aws_region >>:<< cookiecutter.aws_account_id >>:autoscalingconfiguration/instances-*",
        ]
      },
      {
        Sid      = "Look"
        Effect   = "Allow"
        Action   = ["apprunner:ListOperations", "apprunner:DescribeService"]
        Resource = "arn:aws:apprunner:<< cookiecutter.aws_region >>:<< cookiecutter.aws_account_id >>:service/${local.service.name}/*"
      },
      {
        Sid      = "Scaling"
        Effect   = "Allow"
        Action   = ["apprunner:DescribeAutoScalingConfiguration", "apprunner:CreateAutoScalingConfiguration"]
        Resource = "arn:aws:apprunner:<< cookiecutter.aws_region >>:<< cookiecutter.aws_account_id >>:autoscalingconfiguration/instances-*"
      },
      { Sid = "Events", Effect = "Allow", Action = "logs:FilterLogEvents", Resource = "arn:aws:logs:<< cookiecutter.aws_region >>:<< cookiecutter.aws_account_id >>:log-group:/aws/apprunner/${local.service.name}/*" },
      {
        Sid    = "PassRoles"
        Effect = "Allow"
        Action = "iam:PassRole"
        Resource = [
          "arn:aws:iam::<< cookiecutter.aws_account_id >>:role/${local.service.name}-instance",
          "arn:aws:iam::<< cookiecutter.aws_account_id >>:role/${local.service.name}-access",
        ]
        Condition = { StringEquals = { "iam:PassedToService" = ["apprunner.amazonaws.com", "build.apprunner.amazonaws.com", "tasks.apprunner.amazonaws.com"] } }
      },
      # % endif
    ]
    error_message = "The role may do something else: ${data.aws_iam_policy_document.deploy.json}"
  }

  # % endif
  assert {
    condition     = output.allowed_subjects == { "<< cookiecutter.project_slug >>" = ["<< subject >>"] }
    error_message = "The role trusts other subjects: ${jsonencode(output.allowed_subjects)}"
  }

  assert {
    condition     = aws_iam_openid_connect_provider.github[0].client_id_list == toset(["<< audience >>"])
    error_message = "The provider accepts tokens for another audience."
  }

  assert {
    condition = join(" ", [
      for name in fileset(path.module, "*.{tf,tf.json,tofu}") : name
      if can(regex("<< role >>|role_name|role_arn", file("${path.module}/${name}")))
    ]) == "outputs.tf << 'service.tf ' if target != 'nothing' >>variables.tf"
    error_message = "Another file of infra/ names the role, and may let it do more."
  }
}
