"""Where failed batches go, in moto's AWS services."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from localstack_client.session import Session

from infra.local.event_source.failure_destinations import (
    DestinationError,
    FailedBatch,
    FailureDestinations,
)
from infra.local.event_source.records import EventFormat, Partition, Record

STREAM = "arn:aws:kafka:us-east-1:000000000000:cluster/local/0"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:OrderDetails"
BATCH = FailedBatch(
    mapping_id="mapping-1",
    function_arn=FUNCTION,
    event_format=EventFormat(STREAM, "127.0.0.1:9092"),
    partition=Partition("orders", 3),
    records=[
        Record(7, 1545084650987, b"key", b'{"offset":7}', 0.0),
        Record(9, 1545084651000, b"key", b'{"offset":9}', 0.0),
    ],
    condition="RetryAttemptsExhausted",
    attempts=3,
    request_id="request-1",
    function_error="Unhandled",
)
EVENT = {
    "eventSource": "aws:kafka",
    "eventSourceArn": STREAM,
    "bootstrapServers": "127.0.0.1:9092",
    "records": {"orders-3": [{"offset": 7}, {"offset": 9}]},
}


def deliver(endpoint: str, destination: str) -> None:
    async def run() -> None:
        destinations = FailureDestinations(aws_endpoint=endpoint, bootstrap_servers="127.0.0.1:1")
        try:
            await destinations.deliver(destination, BATCH)
        finally:
            await destinations.close()

    asyncio.run(run())


def client(endpoint: str, service: str) -> Any:  # noqa: ANN401 - boto3 makes it at run time
    return Session(localstack_host=endpoint).client(service)


def without_time(record: dict[str, Any]) -> dict[str, Any]:
    assert record.pop("timestamp").endswith("Z")
    return record


METADATA = {
    "requestContext": {
        "requestId": "request-1",
        "functionArn": FUNCTION,
        "condition": "RetryAttemptsExhausted",
        "approximateInvokeCount": 3,
    },
    "responseContext": {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    },
    "version": "1.0",
    "KafkaBatchInfo": {
        "batchSize": 2,
        "eventSourceArn": STREAM,
        "bootstrapServers": "127.0.0.1:9092",
        "payloadSize": len(json.dumps(EVENT, separators=(",", ":"))),
        "recordsInfo": {
            "orders-3": {
                "firstRecordOffset": "7",
                "lastRecordOffset": "9",
                "firstRecordTimestamp": "2018-12-17T22:10:50.987Z",
                "lastRecordTimestamp": "2018-12-17T22:10:51.000Z",
            }
        },
    },
}


def test_a_bucket_gets_the_whole_event_with_its_metadata(aws_endpoint: str) -> None:
    s3 = client(aws_endpoint, "s3")
    s3.create_bucket(Bucket="failed-events")

    deliver(aws_endpoint, "arn:aws:s3:::failed-events")

    (stored,) = s3.list_objects_v2(Bucket="failed-events")["Contents"]
    assert stored["Key"].startswith("aws/lambda/mapping-1/orders-3/20")
    record = json.loads(s3.get_object(Bucket="failed-events", Key=stored["Key"])["Body"].read())
    assert json.loads(record.pop("payload")) == EVENT
    assert without_time(record) == METADATA


def test_a_queue_gets_the_metadata(aws_endpoint: str) -> None:
    sqs = client(aws_endpoint, "sqs")
    url = sqs.create_queue(QueueName="failed")["QueueUrl"]

    deliver(aws_endpoint, "arn:aws:sqs:us-east-1:000000000000:failed")

    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert without_time(json.loads(message["Body"])) == METADATA


def test_an_sns_topic_gets_the_metadata(aws_endpoint: str) -> None:
    sns, sqs = client(aws_endpoint, "sns"), client(aws_endpoint, "sqs")
    topic = sns.create_topic(Name="failed")["TopicArn"]
    url = sqs.create_queue(QueueName="subscriber")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])

    deliver(aws_endpoint, topic)

    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert without_time(json.loads(json.loads(message["Body"])["Message"])) == METADATA


@pytest.mark.parametrize(
    "destination",
    [
        "arn:aws:s3:::no-such-bucket",
        "arn:aws:sqs:us-east-1:000000000000:no-such-queue",
        "arn:aws:dynamodb:us-east-1:000000000000:table/t",
        "nowhere",
    ],
)
def test_a_destination_that_is_not_there_is_an_error(aws_endpoint: str, destination: str) -> None:
    with pytest.raises(DestinationError, match="no"):
        deliver(aws_endpoint, destination)


def test_services_that_do_not_answer_are_an_error() -> None:
    with pytest.raises(DestinationError, match="did not take it"):
        deliver("127.0.0.1:1", "arn:aws:s3:::failed-events")
