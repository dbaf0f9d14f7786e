terraform {
  required_version = ">= 1.10"

  # % if cookiecutter.state_bucket
  # The state of this repository's infrastructure, for everybody who applies it. If the bucket is in
  # another region, write that here.
  backend "s3" {
    bucket               = "<< cookiecutter.state_bucket >>"
    key                  = "<< cookiecutter.github_repository >>/terraform.tfstate"
    workspace_key_prefix = "<< cookiecutter.github_repository >>" # further states, of further files of entries
    region               = "<< cookiecutter.aws_region >>"
    encrypt              = true
    use_lockfile         = true # a lock beside the state, in S3; no DynamoDB
  }

  # % endif
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= << cookiecutter.__aws_provider >>, < 7"
    }
  }
}

provider "aws" {
  region              = var.aws_region
  allowed_account_ids = [var.aws_account_id] # applying to another account is refused

  default_tags {
    tags = var.tags
  }
}
