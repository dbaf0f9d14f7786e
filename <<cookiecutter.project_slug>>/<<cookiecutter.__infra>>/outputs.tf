output "role_arns" {
  description = "The role that each repository's workflow assumes."
  value       = { for key, repository in module.repository : key => repository.role_arn }
}

output "repository_urls" {
  description = "The ECR repository of each GitHub repository's images."
  value       = { for key, repository in module.repository : key => repository.repository_url }
}

output "allowed_subjects" {
  description = "The subjects that each role trusts; a trailing * stands for any characters."
  value       = { for key, repository in module.repository : key => repository.allowed_subjects }
}
