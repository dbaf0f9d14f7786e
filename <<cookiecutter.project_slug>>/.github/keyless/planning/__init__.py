"""A plan without AWS: what Terraform makes of infra/, found out where nobody has credentials."""
