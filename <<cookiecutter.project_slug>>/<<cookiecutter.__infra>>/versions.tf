terraform {
  required_version = ">= 1.10"

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
