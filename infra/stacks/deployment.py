"""Deploys the stacks of a stage one after the other, by AWS SAM, and tries what has come of it.

Each stack leaves what others need in SSM, below /ordering/<stage>/, by the name of the parameter
that takes it; so does whoever has a network, a database, a broker or an issuer already. Inside the
application's stack CloudFormation prepares the databases, migrates them, and shifts the requests
(see template.yaml); if that fails it takes everything back, and what follows here is not begun.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import uuid
from typing import TYPE_CHECKING, Any, Final

import boto3
import yaml
from botocore.exceptions import BotoCoreError, ClientError

from infra.local.template.cloudformation import read_template
from infra.stacks.desk import export_desk
from infra.stacks.stage import ROOT, STACKS, DeploymentError, Stage, template_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Deployment", "DeploymentError"]

_SAM: Final = str(ROOT / ".local" / "sam" / "bin" / "sam")
_HOLD_DATA: Final = ("databases", "kafka", "identity", "network")
"""Deleting these takes more than one command: nobody loses orders by a slip."""
_DUMPER: Final = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_SMOKE: Final[tuple[tuple[str, str, dict[str, str], int], ...]] = (
    # function, sample event, status: a query that reads all read models, and a command that is
    # refused before it writes anything.
    ("GetReadModels", "get_read_models", {}, 200),
    ("PlaceOrder", "place_order", {"body": "{}"}, 422),
)


def run_sam(arguments: Sequence[str]) -> None:
    """Run AWS SAM.

    Raises:
        DeploymentError: it ended with an error, which it has printed.
    """
    command = [_SAM, *arguments]
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode != 0:
        raise DeploymentError(f"sam {arguments[0]} {' '.join(arguments[1:5])} … failed")


def invoke_function(name: str, event: bytes) -> bytes:
    """Invoke a function and return its answer."""
    answer: bytes = (
        boto3.client("lambda").invoke(FunctionName=name, Payload=event)["Payload"].read()
    )
    return answer


class Deployment:
    """Deploys one stage. ``sam`` runs AWS SAM, ``invoke`` a function with an event."""

    def __init__(
        self,
        stage: Stage,
        sam: Callable[[Sequence[str]], None] = run_sam,
        invoke: Callable[[str, bytes], bytes] = invoke_function,
        say: Callable[[str], None] = print,
    ) -> None:
        self._stage = stage
        self._sam = sam
        self._invoke = invoke
        self._say = say

    def deploy(self) -> None:
        """Deploy every stack, then ask the new system something.

        Raises:
            DeploymentError: a step failed; those after it were not begun.
        """
        try:
            for stack in STACKS:
                own = self._stage.parameters[stack]
                if own is None:
                    self._say(f"{stack}: exists, its values are in SSM")
                    continue
                self._say(f"{stack} …")
                self._deploy(stack, own)
                if stack == "kafka":
                    self._leave_bootstrap_servers()
                if stack == "app":
                    self._leave_outputs()
                    self._try_out()
                if stack == "web":
                    self._upload_desk()
        except (ClientError, BotoCoreError) as error:
            raise DeploymentError(str(error)) from error

    def destroy(self) -> None:
        """Delete the stacks that hold no data; say how the others are deleted."""
        for stack in reversed(STACKS):
            if self._stage.parameters[stack] is None:
                continue
            name = self._stage.stack_name(stack)
            if stack in _HOLD_DATA:
                self._say(
                    f"{name} holds data, or the way to it: it stays. To delete it, take away its"
                    f" protection, then: sam delete --stack-name {name}"
                )
                continue
            self._sam(["delete", "--stack-name", name, "--no-prompts"])

    def _deploy(self, stack: str, own: Mapping[str, str]) -> None:
        if stack == "app":
            self._sam(["build"])
        template = template_of(stack)
        declared: Mapping[str, Mapping[str, Any]] = read_template(template).get("Parameters", {})
        values = self._values(stack, declared, own)
        if stack == "app":
            _name_the_configuration(template, values)
        overrides = [f"{name}={value}" for name, value in sorted(values.items())]
        self._sam(
            [
                "deploy",
                f"--template-file={template}",
                f"--stack-name={self._stage.stack_name(stack)}",
                "--tags",
                "project=ordering",
                f"stage={self._stage.name}",
                f"part={stack}",
                "--parameter-overrides",
                *overrides,
            ]
        )

    def _values(
        self, stack: str, declared: Mapping[str, Mapping[str, Any]], own: Mapping[str, str]
    ) -> dict[str, str]:
        """Return the parameters' values: the stage's own ones first, then those in SSM.

        Raises:
            DeploymentError: one has no value, or the stage names one that there is not.
        """
        if unknown := sorted(set(own) - set(declared)):
            raise DeploymentError(f"[{stack}] {unknown[0]}: the template has no such parameter")
        kept = self._kept()
        values = {"Stage": self._stage.name}
        for name, parameter in declared.items():
            if name in own:
                values[name] = own[name]
            elif name in kept:
                values[name] = kept[name]
            elif name not in values and "Default" not in parameter:
                raise DeploymentError(
                    f"{stack} needs {name}: put it into SSM as {self._stage.ssm_path()}{name}, or"
                    f" deploy the stack that makes it"
                )
        return values

    def _kept(self) -> dict[str, str]:
        """Return what stacks and people have left in SSM."""
        pages = boto3.client("ssm").get_paginator("get_parameters_by_path")
        path = self._stage.ssm_path()
        return {
            each["Name"].removeprefix(path): each["Value"]
            for page in pages.paginate(Path=path)
            for each in page["Parameters"]
        }

    def _leave(self, **values: str) -> None:
        ssm = boto3.client("ssm")
        for name, value in values.items():
            ssm.put_parameter(
                Name=self._stage.ssm_path() + name, Value=value, Type="String", Overwrite=True
            )

    def _leave_bootstrap_servers(self) -> None:
        """CloudFormation does not know them."""
        arn = self._kept()["KafkaClusterArn"]
        brokers = boto3.client("kafka").get_bootstrap_brokers(ClusterArn=arn)
        self._leave(KafkaBootstrapServers=brokers["BootstrapBrokerStringSaslIam"])

    def _leave_outputs(self) -> None:
        stacks = boto3.client("cloudformation").describe_stacks(
            StackName=self._stage.stack_name("app")
        )["Stacks"]
        outputs = {each["OutputKey"]: each["OutputValue"] for each in stacks[0]["Outputs"]}
        self._leave(**outputs)

    def _try_out(self) -> None:
        """Ask the live versions; nothing is written.

        Raises:
            DeploymentError: one does not answer as it should.
        """
        for function, sample, changes, wanted in _SMOKE:
            event = json.loads((ROOT / "events" / f"{sample}.json").read_text()) | changes
            name = f"ordering-{self._stage.name}-{function}:live"
            body = json.loads(self._invoke(name, json.dumps(event).encode()) or b"{}")
            status = body.get("statusCode") if isinstance(body, dict) else None
            if status != wanted:
                raise DeploymentError(f"{function}:live answers {status}, not {wanted}")
            self._say(f"  {function}: {status}")

    def _upload_desk(self) -> None:
        kept = self._kept()
        client = boto3.client("s3")
        for path, (body, content_type) in export_desk(kept).items():
            client.put_object(
                Bucket=kept["DeskBucket"],
                Key=path,
                Body=body,
                ContentType=content_type,
                # Names stay the same from version to version: browsers ask whether it is new.
                CacheControl="no-cache",
            )
        distribution = kept.get("DeskDistribution")
        if distribution:
            boto3.client("cloudfront").create_invalidation(
                DistributionId=distribution,
                InvalidationBatch={
                    "Paths": {"Quantity": 1, "Items": ["/*"]},
                    "CallerReference": str(uuid.uuid4()),
                },
            )


def _name_the_configuration(template: Any, values: Mapping[str, str]) -> None:  # noqa: ANN401 - a path
    """Give each function a variable that changes with the parameters.

    SAM publishes a version when a function's properties change, and looks at them before it knows
    the parameters' values: with other ones alone, nothing would go live.
    """
    document = read_template(template)
    digest = hashlib.sha256(json.dumps(dict(sorted(values.items()))).encode()).hexdigest()
    variables = document["Globals"]["Function"]["Environment"]["Variables"]
    variables["CONFIGURATION"] = digest[:12]
    template.write_text(yaml.dump(document, Dumper=_DUMPER, sort_keys=False, width=1000))
