"""boto3 invokes local functions as it invokes Lambda's."""

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
import uvloop
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.local.lambdas.invoke_api import InvokeApi
from tests.integration.local_runner.lambda_fixtures import a_function, a_service


def with_client(directory: Path, use: Callable[[Any], None], *stems: str, **changes: Any) -> None:  # noqa: ANN401 - boto3 has no types
    """Run `use` in a thread with a boto3 client of a service with these functions."""

    async def main() -> None:
        functions = [a_function(directory, stem, **changes) for stem in stems]
        async with a_service(directory, *functions) as service:
            api = InvokeApi(service)
            await api.start("127.0.0.1", 0)
            client = boto3.client(
                "lambda",
                endpoint_url=f"http://127.0.0.1:{api.port}",
                region_name="us-east-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",  # noqa: S106 - any will do
                config=Config(retries={"total_max_attempts": 1}),
            )
            try:
                await asyncio.to_thread(use, client)
            finally:
                client.close()
                await api.close()

    uvloop.run(main())


@pytest.mark.parametrize(
    "reference",
    [
        "Hello",
        "hello",
        "Hello:$LATEST",
        "000000000000:function:Hello",
        "arn:aws:lambda:us-east-1:000000000000:function:Hello",
        "arn:aws:lambda:us-east-1:000000000000:function:Hello:$LATEST",
    ],
)
def test_a_function_is_invoked_by_name_stem_or_arn(tmp_path: Path, reference: str) -> None:
    def use(client: Any) -> None:  # noqa: ANN401 - boto3 has no types
        answer = client.invoke(FunctionName=reference, Payload=b'{"name": "Ada"}')
        assert json.load(answer["Payload"]) == {"hello": "Ada"}
        assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
        assert "FunctionError" not in answer

    with_client(tmp_path, use, "hello")


def test_a_function_error_and_the_log_tail_are_told(tmp_path: Path) -> None:
    def use(client: Any) -> None:  # noqa: ANN401 - boto3 has no types
        answer = client.invoke(FunctionName="Raiser", LogType="Tail")
        assert answer["FunctionError"] == "Unhandled"
        assert json.load(answer["Payload"])["errorMessage"] == "bad order"
        assert "ValueError: bad order" in base64.b64decode(answer["LogResult"]).decode()

    with_client(tmp_path, use, "raiser")


def test_an_event_is_accepted_and_a_dry_run_runs_nothing(tmp_path: Path) -> None:
    def use(client: Any) -> None:  # noqa: ANN401 - boto3 has no types
        dry = client.invoke(FunctionName="Hello", InvocationType="DryRun")
        assert dry["StatusCode"] == 204
        event = client.invoke(FunctionName="Hello", InvocationType="Event", Payload=b"{}")
        assert event["StatusCode"] == 202

    with_client(tmp_path, use, "hello")


def error_code(call: Callable[[], object]) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_refusals_are_lambda_s_own_errors(tmp_path: Path) -> None:
    def use(client: Any) -> None:  # noqa: ANN401 - boto3 has no types
        def call(name: str, payload: bytes) -> tuple[str, int]:
            return error_code(lambda: client.invoke(FunctionName=name, Payload=payload))

        assert call("Nobody", b"{}") == ("ResourceNotFoundException", 404)
        assert call("Hello:7", b"{}") == ("ResourceNotFoundException", 404)
        assert call("Hello", b"no json") == ("InvalidRequestContentException", 400)
        large = b'"' + b"x" * 6 * 1024 * 1024 + b'"'
        assert call("Hello", large) == ("RequestTooLargeException", 413)

    with_client(tmp_path, use, "hello")


def test_a_function_with_no_concurrency_left_is_throttled_and_takes_events(tmp_path: Path) -> None:
    def use(client: Any) -> None:  # noqa: ANN401 - boto3 has no types
        with pytest.raises(ClientError) as caught:
            client.invoke(FunctionName="Hello")
        response = caught.value.response
        assert response["Error"]["Code"] == "TooManyRequestsException"
        assert response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "1"
        event = client.invoke(FunctionName="Hello", InvocationType="Event")
        assert (event["StatusCode"], event["Payload"].read()) == (202, b"")

    with_client(tmp_path, use, "hello", concurrency=0)


def test_functions_are_listed_and_described(tmp_path: Path) -> None:
    def use(client: Any) -> None:  # noqa: ANN401 - boto3 has no types
        listed = client.list_functions()["Functions"]
        assert [function["FunctionName"] for function in listed] == ["Hello", "Echo"]
        configuration = client.get_function_configuration(FunctionName="Hello")
        assert configuration["Handler"] == "hello.handler"
        assert configuration["State"] == "Active"

    with_client(tmp_path, use, "hello", "echo")
