"""The function of an event-source mapping, and where the records go that it never took."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from infra.local.event_source.batch import Outcome, read_partial_response, whole_batch_failed
from infra.local.event_source.failure_destinations import FailedBatch
from infra.local.event_source.records import EventFormat
from infra.local.lambdas.invocation import LambdaError, ServiceClosed, Throttled
from infra.local.template.cloudformation import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from infra.local.event_source.failure_destinations import FailureDestinations
    from infra.local.event_source.records import Partition, Record
    from infra.local.lambdas.invocation import Invocation
    from infra.local.template.model import KafkaSource


class Target:
    """Invokes the function `function_name` with batches; `format` is how they are written."""

    def __init__(
        self,
        function_name: str,
        source: KafkaSource,
        *,
        bootstrap_servers: str,
        invoke: Callable[[bytes], Awaitable[Invocation]],
        destinations: FailureDestinations,
        log: Callable[[str], None],
        region: str,
    ) -> None:
        self.format = EventFormat(source.stream_arn, bootstrap_servers)
        self._source = source
        self._function_arn = f"arn:aws:lambda:{region}:{ACCOUNT}:function:{function_name}"
        name = "/".join((function_name, source.group, *source.topics))
        self._mapping_id = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
        self._invoke = invoke
        self._destinations = destinations
        self._log = log

    async def attempt(self, batch: Mapping[Partition, Sequence[Record]]) -> Outcome:
        """Invoke the function once; whatever goes wrong is an outcome."""
        try:
            return self._read(await self._invoke(self.format.compose(batch)), batch)
        except (Throttled, ServiceClosed):
            return Outcome(throttled=True)
        except LambdaError as refusal:
            return whole_batch_failed(batch, f"{refusal.code}: {refusal}")
        except Exception as problem:  # noqa: BLE001 - not processed, for whatever reason: try it again
            return whole_batch_failed(batch, repr(problem))

    def _read(self, answer: Invocation, batch: Mapping[Partition, Sequence[Record]]) -> Outcome:
        if answer.status == Throttled.status:
            return Outcome(throttled=True)
        if answer.function_error is not None:
            text = answer.payload[:300].decode(errors="replace")
            return whole_batch_failed(
                batch, text, request_id=answer.request_id, function_error=answer.function_error
            )
        if self._source.partial_responses:
            return read_partial_response(answer.payload, batch, answer.request_id)
        return Outcome(request_id=answer.request_id)

    async def give_up(
        self,
        partition: Partition,
        records: Sequence[Record],
        condition: str,
        attempts: int,
        outcome: Outcome,
    ) -> None:
        """Send records to the on-failure destination, or drop them where there is none.

        Raises what the destination raises; they still have to go somewhere then.
        """
        offsets = f"offsets {records[0].offset} to {records[-1].offset}"
        destination = self._source.on_failure
        if destination is not None:
            failed = FailedBatch(
                self._mapping_id,
                self._function_arn,
                self.format,
                partition,
                records,
                condition,
                attempts,
                outcome.request_id,
                outcome.function_error,
            )
            await self._destinations.deliver(destination, failed)
        fate = f"sent to {destination}" if destination else "dropped: there is no destination"
        self._log(f"{partition.name}, {offsets}: {condition}, {fate}")
