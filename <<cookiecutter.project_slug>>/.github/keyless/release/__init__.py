"""What the job in deploy.yml runs: publish each version once, explain a refusal, run the image.

It needs only the standard library and the AWS CLI. The job's environment says what to do, and
every command ends with a message that can be acted on, as an annotation and in the job summary.
"""
