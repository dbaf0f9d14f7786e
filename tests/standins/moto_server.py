"""A second AWS on 127.0.0.1, written by other people than the first one: moto.

MiniStack (tests/standins/emulator.py) and moto err in different places. moto 5.2.5 judges neither
tokens nor policies here, so it proves what Terraform makes and changes, not who may do what.
"""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.standins.emulator import STARTED_WITHIN, Emulator, served_by


class SecondAws(Emulator):
    """A running moto. It knows nothing of faults, calls and moods: these are MiniStack's."""

    def reset(self) -> None:
        """Forget what is in AWS, in every region and partition."""
        reset = urllib.request.Request(  # noqa: S310 - http on purpose
            f"{self.endpoint}/moto-api/reset", b"", method="POST"
        )
        urllib.request.urlopen(reset, timeout=STARTED_WITHIN).close()  # noqa: S310


@contextmanager
def second_aws(account: str, region: str, log: Path) -> Iterator[SecondAws]:
    """Run moto on a free port of 127.0.0.1 for as long as the block lasts."""
    known = {"MOTO_ACCOUNT_ID": account, "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}
    with served_by("tests.standins.moto_server", known, log) as port:
        yield SecondAws(f"http://127.0.0.1:{port}", account, region)


def answer_as_documented() -> None:
    """Let moto keep a role's description where UpdateRole gives none.

    The description is optional (IAM API Reference, "UpdateRole"; only for the duration it names
    what holds without it), and Terraform's provider changes max_session_duration without it
    (terraform-provider-aws, internal/service/iam/role.go). moto 5.2.5 deletes it.
    """
    from moto.iam.models import IAMBackend, Role

    update = IAMBackend.update_role

    def update_role(
        self: IAMBackend,
        role_name: str,
        role_description: str | None,
        max_session_duration: str,
    ) -> Role:
        kept = self.get_role(role_name).description
        text = kept if role_description is None else role_description
        return update(self, role_name, text, max_session_duration)

    IAMBackend.update_role = update_role  # type: ignore[method-assign]


def serve(descriptor: int) -> None:
    """Serve moto on a listening socket until SIGTERM."""
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    answer_as_documented()
    application = DomainDispatcherApplication(create_backend_app)
    handler = MotoRequestHandler
    make_server(
        "127.0.0.1", 0, application, threaded=True, request_handler=handler, fd=descriptor
    ).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
