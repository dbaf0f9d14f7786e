"""The filters that cookiecutter.json and the template's files use.

cookiecutter.json passes every free answer through a filter right after its question, in a private
value. So a wrong answer ends the generation before the next question.
"""

from __future__ import annotations

import json
import logging

from jinja2 import Environment
from jinja2.ext import Extension

from . import answers, folders, record
from .command_line import judge_given


class Answers(Extension):
    """Registers the filters, and judges what cookiecutter itself would accept silently."""

    def __init__(self, environment: Environment) -> None:
        """Refuse unknown keys and template syntax before cookiecutter drops or renders them.

        Raises:
            FailedHookException: a key is not a question, or a value is a template.
        """
        super().__init__(environment)
        logging.getLogger("cookiecutter.hooks").addFilter(_without_traceback)
        judge_given(environment)
        environment.globals["template_folder"] = str(folders.TEMPLATE)  # for the hook
        environment.filters.update(
            account_id=answers.account_id,
            adopted=folders.adopted,
            as_json=lambda value: json.dumps(value, indent=2),
            before=record.before,
            bucket_name=answers.bucket_name,
            directory_name=answers.directory_name,
            domain=answers.domain,
            ecr_name=answers.ecr_name,
            environment_name=answers.environment_name,
            existing=folders.existing,
            github_repository=answers.github_repository,
            guide=folders.guide,
            partition=answers.partition,
            record=record.record,
            region=answers.region,
            role_name=answers.role_name,
            service_name=answers.service_name,
            strays=folders.strays,
            together=answers.together,
        )


def _without_traceback(record: logging.LogRecord) -> bool:
    """Drop the traceback that cookiecutter 2.7 logs after a hook has printed what is wrong."""
    record.exc_info = None
    return True
