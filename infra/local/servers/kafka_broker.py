"""The Kafka broker of the stack, and the topics that the template asks for."""

import base64
import signal
import socket
import uuid
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from infra.local.logs import Logs
from infra.local.servers.child import Child, Launch, StartError, death_signal_command, run_to_end
from infra.local.servers.kafka_install import ApacheKafka, Choice
from infra.local.servers.ports import HOST, Ports, accepts_connections
from infra.local.template.model import Topic

_PROPERTIES_FILE: Final = "server.properties"
_ADMIN_SECONDS: Final = 10
_CONNECT_SECONDS: Final = 2
_JAVA_OPTIONS: Final = (
    "-Xms64m",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # the fastest start; the second compiler pays off after minutes
    "-XX:-UsePerfData",
    "-Xshare:auto",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS",
)
# One node is controller and broker. What is acknowledged is in the page cache, and so outlives the
# death of the process, though not that of the machine: Kafka relies on replicas for that.
_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=data
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=2
background.threads=2
log.cleaner.dedupe.buffer.size=4194304
log.cleaner.io.buffer.size=131072
# A broker that was killed can register again when its session has timed out; each heartbeat costs
# idle CPU.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=1000
# By default the controller writes, and syncs, a no-op record twice a second.
metadata.max.idle.interval.ms=0
"""


class KafkaBroker:
    """The broker that `choice` names, with its data in `directory`; nothing runs for other ones."""

    def __init__(
        self,
        choice: Choice,
        ports: Ports,
        directory: Path,
        *,
        logs: Logs,
        logs_directory: Path,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._apache = choice.apache
        self._ports = ports
        self._directory = directory / choice.kind
        self._data = self._directory / "data"
        # A class archive halves the start, but its first writing takes the broker's exit 2 s.
        self._draft = self._directory / "classes.jsa"
        self.child: Child | None = None
        if choice.runs_here:
            launch = Launch(
                self._command(),
                log=logs_directory / "kafka.log",
                # Its paths are relative to this: log.dirs is a list with commas, and in Java's
                # property files a backslash begins an escape.
                directory=self._directory,
                answers=lambda _pid: accepts_connections(ports.kafka),
            )
            self.child = Child("Kafka", launch, logs, changed)

    async def start(self) -> None:
        """Start the broker and wait until it takes connections. Raises StartError."""
        if self.child is None:
            return
        self._data.parent.mkdir(parents=True, exist_ok=True)
        if self._apache is not None:
            await self._configure(self._apache)
        await self.child.start()

    async def stop(self) -> None:
        """Stop the broker; it writes everything to disk."""
        if self.child is None:
            return
        await self.child.stop()
        if self._apache is not None and self._draft.exists() and not self._apache.archive.exists():
            self._draft.replace(self._apache.archive)

    def _command(self) -> tuple[str, ...]:
        if self._apache is None:
            binary = files("noida_db").joinpath("noida-db")
            options = ("--only", "kafka", "--host", HOST, "--kafka-port", str(self._ports.kafka))
            return (str(binary), "start", "--data-dir", str(self._data), *options)
        archive = self._apache.archive
        use = f"-XX:SharedArchiveFile={archive}"
        make = f"-XX:ArchiveClassesAtExit={self._draft}"
        return (
            *self._java(self._apache),
            use if archive.exists() else make,
            "kafka.Kafka",
            _PROPERTIES_FILE,
        )

    @staticmethod
    def _java(apache: ApacheKafka) -> tuple[str, ...]:
        return (apache.java, *_JAVA_OPTIONS, "-cp", f"{apache.libraries}/*")

    async def _configure(self, apache: ApacheKafka) -> None:
        text = _PROPERTIES.format(
            host=HOST,
            port=self._ports.kafka,
            controller_port=self._ports.kafka_controller,
        )
        (self._directory / _PROPERTIES_FILE).write_text(text)
        self._draft.unlink(missing_ok=True)
        # Kafka's own tool writes this file last, so a formatting that was interrupted is redone.
        if (self._data / "meta.properties").exists():
            return
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        status, output = await run_to_end(
            *death_signal_command(signal.SIGTERM),
            *self._java(apache),
            *("kafka.tools.StorageTool", "format", "--ignore-formatted"),
            # One argument: an id may begin with "-", which would look like an option.
            f"--cluster-id={cluster}",
            *("-c", _PROPERTIES_FILE),
            directory=self._directory,
        )
        if status != 0:
            raise StartError(f"Kafka's storage cannot be formatted:\n{output}")


def _require_reachable(bootstrap_servers: str) -> None:
    """Raise StartError unless one of them takes connections; kafka-python would try for long."""
    for server in bootstrap_servers.split(","):
        host, _, port = server.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
        except OSError as error:
            problem = error
        else:
            return
    raise StartError(f"Kafka at {bootstrap_servers} does not answer: {problem}")


def create_topics(bootstrap_servers: str, topics: Sequence[Topic]) -> None:
    """Create the topics that are missing; an existing one is left as it is.

    Raises StartError when the cluster does not answer or refuses, or has a topic with another
    number of partitions: the same key would be in another partition than before.
    """
    if not topics:
        return
    _require_reachable(bootstrap_servers)
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=bootstrap_servers, bootstrap_timeout_ms=_ADMIN_SECONDS * 1000
        )
    except KafkaError as error:
        raise StartError(f"Kafka at {bootstrap_servers} does not answer: {error}") from error
    try:
        known = {
            each["name"]: len(each["partitions"])
            for each in admin.describe_topics([topic.name for topic in topics])
            if each["error_code"] == 0
        }
        missing = [topic for topic in topics if topic.name not in known]
        if missing:
            admin.create_topics(
                {
                    topic.name: {
                        "num_partitions": topic.partitions,
                        "replication_factor": 1,
                        "configs": dict(topic.config),
                    }
                    for topic in missing
                },
                wait_for_metadata=True,
            )
    except KafkaError as error:
        raise StartError(f"Kafka at {bootstrap_servers}: {error}") from error
    finally:
        admin.close()
    for topic in topics:
        if known.get(topic.name, topic.partitions) != topic.partitions:
            raise StartError(
                f"topic {topic.name} has {known[topic.name]} partitions, and the template asks for "
                f"{topic.partitions}: set TopicPartitions back, or forget all data (make reset)"
            )
