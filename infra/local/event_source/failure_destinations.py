"""On-failure destinations of event-source mappings: where batches go that a function never took.

As on AWS, a bucket gets the whole invocation record with metadata, a queue or an SNS topic the
metadata alone, and a Kafka topic one message per record: metadata and the record itself, under the
record's own key.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from kafka import KafkaProducer
from kafka.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.local.event_source.records import EventFormat, Partition, Record

KAFKA_PREFIX: Final = "kafka://"
_SEND_SECONDS: Final = 10


class DestinationError(Exception):
    """The destination did not take the batch; it still has to go somewhere."""


@dataclass(frozen=True)
class FailedBatch:
    """Records of one partition that their function is not going to get (again).

    `condition` is why, in AWS's words; `attempts` how often the function was tried with the first
    of them. `function_error` is None when the function was not the reason.
    """

    mapping_id: str
    function_arn: str
    event_format: EventFormat
    partition: Partition
    records: Sequence[Record]
    condition: str
    attempts: int
    request_id: str
    function_error: str | None

    def payload(self, records: Sequence[Record]) -> bytes:
        """Return the event that would carry these of the records."""
        return self.event_format.compose({self.partition: records})

    def metadata(self, now: datetime, records: Sequence[Record]) -> dict[str, Any]:
        """Describe the failure, in the format of AWS's "invocation record" for Kafka sources."""
        response = {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": self.function_error,
        }
        first, last = records[0], records[-1]
        return {
            "requestContext": {
                "requestId": self.request_id,
                "functionArn": self.function_arn,
                "condition": self.condition,
                "approximateInvokeCount": self.attempts,
            },
            "responseContext": response if self.request_id else None,
            "version": "1.0",
            "timestamp": _iso(now),
            "KafkaBatchInfo": {
                "batchSize": len(records),
                "eventSourceArn": self.event_format.stream_arn,
                "bootstrapServers": self.event_format.bootstrap_servers,
                "payloadSize": len(self.payload(records)),
                "recordsInfo": {
                    self.partition.name: {
                        "firstRecordOffset": str(first.offset),
                        "lastRecordOffset": str(last.offset),
                        "firstRecordTimestamp": _iso_of_ms(first.timestamp),
                        "lastRecordTimestamp": _iso_of_ms(last.timestamp),
                    }
                },
            },
        }


class FailureDestinations:
    """Delivers failed batches. `aws_endpoint` is host:port of LocalStack or moto's server.

    `bootstrap_servers` is the cluster of `kafka://` destinations, the same as the sources'.
    """

    def __init__(
        self, *, aws_endpoint: str, bootstrap_servers: str, region: str = "us-east-1"
    ) -> None:
        self._aws_endpoint = aws_endpoint
        self._bootstrap_servers = bootstrap_servers
        self._region = region
        self._clients: dict[str, Any] = {}
        self._producer: KafkaProducer | None = None
        self._lock = Lock()  # batches are delivered by several threads

    async def deliver(self, destination: str, batch: FailedBatch) -> None:
        """Hand the batch over: an ARN of a bucket, queue or SNS topic, or `kafka://topic`.

        Raises DestinationError when it was not, or perhaps not wholly, taken.
        """
        await asyncio.to_thread(self._deliver, destination, batch)

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()
        if self._producer is not None:
            await asyncio.to_thread(self._producer.close)

    def _deliver(self, destination: str, batch: FailedBatch) -> None:
        # Imported where the first failure needs it: boto3 costs the runner's start 180 ms.
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        now = datetime.now(UTC)
        try:
            if destination.startswith(KAFKA_PREFIX):
                self._to_topic(destination.removeprefix(KAFKA_PREFIX), batch, now)
                return
            name = destination.rsplit(":", 1)[-1]
            match destination.split(":")[2:3]:
                case ["s3"]:
                    self._to_bucket(name, batch, now)
                case ["sqs"]:
                    self._to_queue(name, batch, now)
                case ["sns"]:
                    body = json.dumps(batch.metadata(now, batch.records))
                    self._client("sns").publish(TopicArn=destination, Message=body)
                case _:
                    raise DestinationError(f"{destination} is no failure destination")
        except (BotoCoreError, ClientError, KafkaError) as problem:
            raise DestinationError(f"{destination} did not take it: {problem!r}") from problem

    def _to_bucket(self, bucket: str, batch: FailedBatch, now: datetime) -> None:
        record = batch.metadata(now, batch.records)
        record["payload"] = batch.payload(batch.records).decode()
        key = (
            f"aws/lambda/{batch.mapping_id}/{batch.partition.name}/{now:%Y/%m/%d}"
            f"/{now:%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"
        )
        self._client("s3").put_object(Bucket=bucket, Key=key, Body=json.dumps(record).encode())

    def _to_queue(self, name: str, batch: FailedBatch, now: datetime) -> None:
        sqs = self._client("sqs")
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(batch.metadata(now, batch.records)))

    def _to_topic(self, topic: str, batch: FailedBatch, now: datetime) -> None:
        with self._lock:
            if self._producer is None:
                self._producer = KafkaProducer(
                    bootstrap_servers=self._bootstrap_servers,
                    allow_auto_create_topics=False,
                    max_block_ms=_SEND_SECONDS * 1000,
                    bootstrap_timeout_ms=_SEND_SECONDS * 1000,
                )
        sent = []
        for record in batch.records:
            message = batch.metadata(now, [record])
            message["payload"] = json.loads(batch.payload([record]))
            sent.append(
                self._producer.send(topic, key=record.key, value=json.dumps(message).encode())
            )
        for acknowledgement in sent:
            acknowledgement.get(timeout=_SEND_SECONDS)

    def _client(self, service: str) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
        # Imported late for the same reason as above.
        from botocore.config import Config  # noqa: PLC0415
        from localstack_client.session import Session  # noqa: PLC0415

        with self._lock:
            if service not in self._clients:
                session = Session(region_name=self._region, localstack_host=self._aws_endpoint)
                # The mapping itself tries again; until then it should soon say what is wrong.
                config = Config(
                    connect_timeout=2,
                    read_timeout=10,
                    retries={"total_max_attempts": 1},
                    s3={"addressing_style": "path"},
                )
                self._clients[service] = session.client(service, config=config)
            return self._clients[service]


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _iso_of_ms(timestamp: int) -> str:
    return _iso(datetime.fromtimestamp(timestamp / 1000, UTC))
