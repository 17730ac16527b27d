"""The whole system on one machine: starts every part in order, keeps it running, stops it."""

import asyncio
import contextlib
import json
import os
import time
from collections import ChainMap
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import psycopg2
from psycopg2.extensions import parse_dsn

from infra.local.event_source.failure_destinations import FailureDestinations
from infra.local.event_source.source import KafkaEventSource
from infra.local.gateway.docs_pages import DocsPages
from infra.local.gateway.http_api import HttpApi
from infra.local.gateway.issuer import load_or_create_key
from infra.local.gateway.page import Page
from infra.local.gateway.sign_in import SignIn
from infra.local.gateway.web_pages import WebPages, desk_config
from infra.local.lambdas.invocation import Invocation
from infra.local.lambdas.invoke_api import InvokeApi
from infra.local.lambdas.schedules import Schedules
from infra.local.lambdas.service import LambdaService
from infra.local.logs import Logs
from infra.local.progress import Progress
from infra.local.servers.aws_services import AwsServices
from infra.local.servers.child import Child, StartError
from infra.local.servers.kafka_broker import KafkaBroker, create_topics
from infra.local.servers.kafka_install import Choice, choose_kafka
from infra.local.servers.kafka_kind import keep_kind, kind_kept
from infra.local.servers.passwords import load_or_create_passwords, write_pgpass
from infra.local.servers.ports import HOST
from infra.local.servers.postgres import PostgresCluster
from infra.local.settings import Settings
from infra.local.stack_record import (
    StackRecord,
    StateLock,
    child_record,
    end_orphans,
    remove_record,
    write_record,
)
from infra.local.template import Template, load_template

_MIGRATE: Final = "migrate"
_SIDES: Final = ("write", "read")


class Stack:
    """One running system; `kafka` is its broker once it has been chosen."""

    def __init__(self, settings: Settings, *, logs: Logs, progress: Progress) -> None:
        self.settings = settings
        self.ports = settings.ports
        self.kafka: Choice | None = None
        self._logs = logs
        self._progress = progress
        self._exit = contextlib.AsyncExitStack()
        self._stops: list[Callable[[], Awaitable[None]]] = []
        self._children: list[Child] = []
        self._started_at = time.time()
        self._ready = False
        self._lock = StateLock(settings.state_dir)

    async def start(self) -> None:
        """Start everything, and return when requests are served.

        Raises StartError or TemplateError. What has been started is there until `close`.
        """
        settings = self.settings
        settings.require_usable_paths()
        self._lock.acquire()
        if orphans := await asyncio.to_thread(end_orphans, settings.state_dir):
            self._logs.warning(f"ended what a killed runner had left: {', '.join(orphans)}")
        kept = kind_kept(settings.state_dir) if settings.kafka == "auto" else None
        kafka = await choose_kafka(
            kept or settings.kafka, self.ports.kafka, settings.cache_dir, self._progress.say
        )
        keep_kind(settings.state_dir, kafka)
        self.kafka = kafka
        parameters = settings.template_parameters(kafka.bootstrap_servers)
        template = load_template(settings.template, parameters)
        for warning in template.warnings:
            self._progress.warn(f"template.yaml: {warning}")
        self.ports.require_free(broker=kafka.runs_here, aws_services=template.uses_aws_services)
        await self._start_parts(template, kafka)
        self._ready = True
        self._write_record()

    async def close(self) -> None:
        """Stop everything, in the reverse order; nothing is left behind."""
        await self._exit.aclose()
        await asyncio.gather(*(stop() for stop in self._stops))
        if self._lock.held:
            remove_record(self.settings.state_dir)
            self._lock.release()

    def kill(self) -> None:
        """Kill every process at once; functions die with the runner."""
        for child in self._children:
            child.kill()

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    async def _start_parts(self, template: Template, kafka: Choice) -> None:
        service = LambdaService(
            template.functions,
            logs=self._logs,
            state_dir=self.settings.state_dir,
            max_environments=self.settings.max_environments,
            extra_environment=self.settings.function_environment(),
        )
        await service.start()
        self._exit.push_async_callback(service.close)
        docs = DocsPages(
            self.settings.template.parent / "docs" / "api" / "openapi.json",
            self.settings.cache_dir,
            say=self._progress.say,
            warn=self._logs.warning,
        )
        self._exit.push_async_callback(docs.close)
        await docs.start()
        desk = WebPages(
            self.settings.template.parent / "infra" / "web",
            self.settings.cache_dir,
            desk_config(template.jwt_issuer, self.settings.scope_prefix),
            say=self._progress.say,
            warn=self._logs.warning,
        )
        self._exit.push_async_callback(desk.close)
        await desk.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._start_kafka(kafka, template))
                group.create_task(self._start_databases(template, service))
                if template.uses_aws_services:
                    group.create_task(self._start_aws_services(template))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        await self._start_apis(template, service, ChainMap(desk.pages, docs.pages))
        await self._start_sources(template, service, kafka)
        schedules = Schedules(template.functions, service, logs=self._logs)
        self._exit.push_async_callback(schedules.close)
        await schedules.start()

    async def _start_kafka(self, kafka: Choice, template: Template) -> None:
        settings = self.settings
        broker = KafkaBroker(
            kafka,
            self.ports,
            settings.state_dir / "kafka",
            logs=self._logs,
            logs_directory=settings.logs_dir,
            changed=self._write_record,
        )
        if broker.child is not None:
            self._own(broker.child, broker.stop)
        with self._progress.part("Kafka", f"{kafka.description}, {kafka.bootstrap_servers}"):
            await broker.start()
            await asyncio.to_thread(create_topics, kafka.bootstrap_servers, template.topics)

    async def _start_databases(self, template: Template, service: LambdaService) -> None:
        settings = self.settings
        directory = settings.state_dir / "postgres"
        ports = dict(
            zip(_SIDES, (self.ports.write_database, self.ports.read_database), strict=True)
        )
        passwords = load_or_create_passwords(
            directory / "passwords.json",
            {side: _roles(template, port) for side, port in ports.items()},
        )
        write_pgpass(settings.pgpass, passwords, ports)
        with self._progress.part(
            "two PostgreSQL clusters", f"{HOST}:{ports['write']} and {HOST}:{ports['read']}"
        ):
            clusters = [
                PostgresCluster(
                    side,
                    directory,
                    ports[side],
                    passwords[side],
                    logs=self._logs,
                    logs_directory=settings.logs_dir,
                    max_connections=settings.max_connections,
                    memory=settings.database_memory,
                    changed=self._write_record,
                )
                for side in _SIDES
            ]
            for cluster in clusters:
                self._own(cluster.child, cluster.stop)
            await asyncio.gather(*(cluster.start() for cluster in clusters))
            await asyncio.gather(*(cluster.provide_roles() for cluster in clusters))
        with self._progress.part("migrations"):
            result = await service.invoke(_MIGRATE, b"{}")
            if result.function_error is not None:
                raise StartError(f"the migrations failed: {_message(result.payload)}")

    async def _start_aws_services(self, template: Template) -> None:
        services = AwsServices(
            self.ports.aws,
            logs=self._logs,
            logs_directory=self.settings.logs_dir,
            changed=self._write_record,
        )
        self._own(services.child, services.stop)
        with self._progress.part("AWS services", f"moto, in memory, {services.endpoint}"):
            await services.start(template)

    async def _start_apis(
        self, template: Template, service: LambdaService, pages: Mapping[str, Page]
    ) -> None:
        key = await asyncio.to_thread(load_or_create_key, self.settings.state_dir)
        prefix = self.settings.scope_prefix
        sign_in = SignIn(key, template.jwt_issuer, template.jwt_audience, scope_prefix=prefix)
        api = HttpApi(
            template, service.invoke, key=key, logs=self._logs, pages=pages, sign_in=sign_in
        )
        invoke_api = InvokeApi(service)
        routes = sum(len(function.routes) for function in template.functions.values())
        with self._progress.part("HTTP API", f"{self.settings.api_url}, {routes} routes"):
            self._exit.push_async_callback(invoke_api.close)
            await invoke_api.start(HOST, self.ports.invoke)
            self._exit.push_async_callback(api.close)
            await api.start(HOST, self.ports.api)

    async def _start_sources(
        self, template: Template, service: LambdaService, kafka: Choice
    ) -> None:
        destinations = FailureDestinations(
            aws_endpoint=f"{HOST}:{self.ports.aws}", bootstrap_servers=kafka.bootstrap_servers
        )
        self._exit.push_async_callback(destinations.close)
        sources = [
            KafkaEventSource(
                function.name,
                source,
                bootstrap_servers=kafka.bootstrap_servers,
                invoke=_invoker(service, function.name),
                destinations=destinations,
                log=self._logs.warning,
                log_error=self._logs.error,
            )
            for function in template.functions.values()
            for source in function.kafka_sources
        ]
        with self._progress.part("event sources", f"{len(sources)} consumer groups"):
            self._exit.push_async_callback(_close_all, sources)
            await asyncio.gather(*(source.start() for source in sources))

    def _own(self, child: Child, stop: Callable[[], Awaitable[None]]) -> None:
        self._children.append(child)
        self._stops.append(stop)

    def _write_record(self) -> None:
        """Keep on disk what this stack is, for other commands and for the next start."""
        settings, kafka = self.settings, self.kafka
        if kafka is None:
            return
        children = {child.name: child.pid for child in self._children}
        records = {name: child_record(pid) for name, pid in children.items() if pid is not None}
        write_record(
            settings.state_dir,
            StackRecord(
                pid=os.getpid(),
                started_at=self._started_at,
                ready=self._ready,
                ports=self.ports,
                api_url=settings.api_url,
                issuer=settings.issuer,
                invoke_url=f"http://{HOST}:{self.ports.invoke}",
                kafka=kafka.description,
                bootstrap_servers=kafka.bootstrap_servers,
                pgpass=str(settings.pgpass),
                children={name: child for name, child in records.items() if child is not None},
                scope_prefix=settings.scope_prefix,
            ),
        )


def _roles(template: Template, port: int) -> set[str]:
    """Return the roles that functions log in with to the database at `port`."""
    roles: set[str] = set()
    for function in template.functions.values():
        for value in function.environment.values():
            try:
                dsn = parse_dsn(value)
            except psycopg2.ProgrammingError:  # some other variable
                continue
            if dsn.get("port") == str(port) and "user" in dsn:
                roles.add(dsn["user"])
    return roles


def _invoker(service: LambdaService, name: str) -> Callable[[bytes], Awaitable[Invocation]]:
    return lambda payload: service.invoke(name, payload)


async def _close_all(sources: Sequence[KafkaEventSource]) -> None:
    await asyncio.gather(*(source.close() for source in sources))


def _message(payload: bytes) -> str:
    error = json.loads(payload)
    return f"{error.get('errorType')}: {error.get('errorMessage')}"
