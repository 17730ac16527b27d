"""The AWS services that functions call: moto's server on LocalStack's port, in memory.

What is stored there is gone when it stops: buckets and queues are made anew at each start, empty.
LocalStack itself can take its place, since both are reached through localstack-client.
"""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from infra.local.logs import Logs
from infra.local.servers.child import Child, Launch, StartError
from infra.local.servers.ports import HOST, accepts_connections
from infra.local.template.cloudformation import REGION
from infra.local.template.model import Template

_NICENESS: Final = 10  # its start takes seconds of processor time that the databases need first


class AwsServices:
    """moto's server at `port`, with the template's buckets, queues and SNS topics."""

    def __init__(
        self,
        port: int,
        *,
        logs: Logs,
        logs_directory: Path,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.endpoint = f"{HOST}:{port}"
        self._template: Template | None = None
        self.child = Child(
            "moto",
            Launch(
                (sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)),
                log=logs_directory / "moto.log",
                answers=lambda _pid: accepts_connections(port),
                environment={"MOTO_CALL_RESET_API": "false"},
                niceness=_NICENESS,
            ),
            logs,
            changed,
            self._create_resources,
        )

    async def start(self, template: Template) -> None:
        """Start the server and make what the template declares. Raises StartError."""
        self._template = template
        await self.child.start()

    async def stop(self) -> None:
        """Stop the server."""
        await self.child.stop()

    async def _create_resources(self) -> None:
        if self._template is not None:
            await asyncio.to_thread(self._create, self._template)

    def _create(self, template: Template) -> None:
        # boto3 takes 200 ms to import, while nothing else here needs it.
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
        from localstack_client.session import Session  # noqa: PLC0415

        session: Any = Session(region_name=REGION, localstack_host=self.endpoint)
        try:
            for bucket in template.buckets.values():
                session.client("s3").create_bucket(Bucket=bucket)
            for queue in template.queues.values():
                session.client("sqs").create_queue(QueueName=queue)
            for topic in template.notification_topics.values():
                session.client("sns").create_topic(Name=topic)
        except (BotoCoreError, ClientError) as error:
            raise StartError(f"AWS services at {self.endpoint}: {error}") from error
