"""Deploying all stacks of a stage: which, in which order, with which parameters."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

import boto3
import pytest
from moto import mock_aws

from infra.local.template.cloudformation import read_template
from infra.stacks import deployment as deploying
from infra.stacks.deployment import Deployment
from infra.stacks.stage import ROOT, STACKS, STAGES, DeploymentError, Stage, template_of
from tests.deployment.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OUTPUTS: Final = {"ApiUrl": "https://api.example", "ApiId": "abc", "FailedInvocations": "queue"}


class Aws:
    """AWS SAM and the functions, as far as a deployment sees them; SSM and the rest are moto's."""

    def __init__(self, built: Path) -> None:
        self.built = built
        self.deployed: dict[str, dict[str, str]] = {}
        self.deleted: list[str] = []
        self.fails_at = ""
        self.answers = {"GetReadModels": 200, "PlaceOrder": 422}
        self.invoked: list[str] = []

    def sam(self, arguments: Sequence[str]) -> None:
        name = next((a.split("=", 1)[1] for a in arguments if a.startswith("--stack-name=")), "")
        match arguments[0]:
            case "build":
                shutil.copy(ROOT / "template.yaml", self.built)
            case "delete":
                self.deleted.append(arguments[2])
            case "deploy":
                if name == self.fails_at:
                    raise DeploymentError("sam deploy failed")
                (file,) = (a.split("=", 1)[1] for a in arguments if a.startswith("--template-file"))
                overrides = arguments[arguments.index("--parameter-overrides") + 1 :]
                self.deployed[name] = values = dict(each.split("=", 1) for each in overrides)
                self._leave(values["Stage"], file)
                if name == f"ordering-{values['Stage']}":
                    _make_stack(name)

    def _leave(self, stage: str, file: str) -> None:
        ssm = boto3.client("ssm")
        for resource in read_template(Path(file))["Resources"].values():
            if resource["Type"] == "AWS::SSM::Parameter":
                name = resource["Properties"]["Name"]["Fn::Sub"].replace("${Stage}", stage)
                value = "https://issuer.example/pool" if name.endswith("Issuer") else "left"
                ssm.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)

    def invoke(self, name: str, event: bytes) -> bytes:
        self.invoked.append(name)
        assert json.loads(event)["routeKey"]
        return json.dumps(
            {"statusCode": self.answers[name.rsplit("-", maxsplit=1)[-1].split(":", maxsplit=1)[0]]}
        ).encode()


def _make_stack(name: str) -> None:
    template = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {key: {"Value": value} for key, value in OUTPUTS.items()},
    }
    boto3.client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(template))


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Aws]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    built = tmp_path / "built.yaml"
    monkeypatch.setattr(
        deploying, "template_of", lambda stack: built if stack == "app" else template_of(stack)
    )
    monkeypatch.setattr(
        deploying,
        "export_desk",
        lambda kept: {"index.html": (kept["ApiUrl"].encode(), "text/html")},
    )
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="left")
        # moto does not know brokers.
        monkeypatch.setattr(
            Deployment,
            "_leave_bootstrap_servers",
            lambda self: self._leave(KafkaBootstrapServers="b:9098"),
        )
        monkeypatch.setattr("infra.stacks.deployment.uuid.uuid4", lambda: "1")
        yield Aws(built)


def deploy(aws: Aws, stage: str = "test", said: list[str] | None = None) -> None:
    say = (said if said is not None else []).append
    Deployment(Stage.read(stage), aws.sam, aws.invoke, say).deploy()


@pytest.fixture(autouse=True)
def _no_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Deployment._kept  # noqa: SLF001 - what it reads, without what moto has not

    def without(self: Deployment) -> dict[str, str]:
        return {name: v for name, v in kept(self).items() if name != "DeskDistribution"}

    monkeypatch.setattr(Deployment, "_kept", without)


@pytest.mark.parametrize("stage", sorted(file.stem for file in STAGES.glob("*.toml")))
def test_all_stacks_in_their_order_and_with_all_they_need(aws: Aws, stage: str) -> None:
    deploy(aws, stage)
    names = [Stage.read(stage).stack_name(stack) for stack in STACKS]
    assert list(aws.deployed) == names
    for stack, values in zip(STACKS, aws.deployed.values(), strict=True):
        assert values["Stage"] == stage
        file = ROOT / "template.yaml" if stack == "app" else template_of(stack)
        declared = read_template(file)["Parameters"]
        needed = {name for name, each in declared.items() if "Default" not in each}
        assert needed <= values.keys() <= declared.keys()
    assert aws.deployed[f"ordering-{stage}"]["KafkaBootstrapServers"] == "b:9098"
    assert aws.deployed[f"ordering-{stage}-monitoring"]["ApiId"] == "abc"
    assert aws.invoked == [f"ordering-{stage}-{name}:live" for name in aws.answers]
    desk = boto3.client("s3").get_object(Bucket="left", Key="index.html")
    assert desk["Body"].read() == b"https://api.example"


def test_the_database_that_exists_is_taken(aws: Aws, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        "network = {exists = true}\ndatabases = {exists = true}\n[kafka]\n[identity]\n[app]\n"
        "[monitoring]\n[web]\n"
    )
    stage = Stage.read("mine", tmp_path)
    with pytest.raises(
        DeploymentError, match="kafka needs SubnetIds: put it into SSM as /ordering"
    ):
        Deployment(stage, aws.sam, aws.invoke, lambda _: None).deploy()
    ssm = boto3.client("ssm")
    for name in (
        *("SubnetIds", "KafkaSecurityGroup", "SecurityGroupIds", "WriteCluster", "ReadCluster"),
        *("WriteDatabaseHost", "WriteClusterHost", "ReadDatabaseHost", "ReadClusterHost"),
    ):
        ssm.put_parameter(Name=f"/ordering/mine/{name}", Value=f"my {name}", Type="String")
    Deployment(stage, aws.sam, aws.invoke, lambda _: None).deploy()
    assert aws.deployed["ordering-mine"]["WriteDatabaseHost"] == "my WriteDatabaseHost"
    assert "WriteMasterSecret" not in aws.deployed["ordering-mine"]
    assert "ordering-mine-databases" not in aws.deployed


def test_what_fails_ends_it(aws: Aws) -> None:
    aws.fails_at = "ordering-test"
    with pytest.raises(DeploymentError):
        deploy(aws)
    assert list(aws.deployed)[-1] == "ordering-test-identity"
    assert aws.invoked == []


def test_a_version_that_answers_wrongly_ends_it(aws: Aws) -> None:
    aws.answers["PlaceOrder"] = 500
    with pytest.raises(DeploymentError, match="PlaceOrder:live answers 500, not 422"):
        deploy(aws)
    assert "ordering-test-monitoring" not in aws.deployed


def test_other_parameters_make_other_versions(aws: Aws, tmp_path: Path) -> None:
    """SAM publishes a version when properties change, and sees no parameters' values."""

    def configuration(watermarks: int) -> str:
        (tmp_path / "mine.toml").write_text(
            (STAGES / "test.toml")
            .read_text()
            .replace("WatermarkSeconds = 5", f"WatermarkSeconds = {watermarks}")
        )
        Deployment(Stage.read("mine", tmp_path), aws.sam, aws.invoke, lambda _: None).deploy()
        boto3.client("cloudformation").delete_stack(StackName="ordering-mine")
        variables = read_template(aws.built)["Globals"]["Function"]["Environment"]["Variables"]
        return str(variables["CONFIGURATION"])

    configuration(5)  # the first time some values are not in SSM yet
    assert configuration(5) == configuration(5)
    assert configuration(5) != configuration(6)


def test_the_built_template_stays_what_it_was(aws: Aws) -> None:
    deploy(aws)
    built, written = read_template(aws.built), read_template(ROOT / "template.yaml")
    del built["Globals"]["Function"]["Environment"]["Variables"]["CONFIGURATION"]
    assert built == written


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[other]\n", r"\[other\] is none of network"),
        ("[app\n", "mine.toml"),
        ("[app]\nNoSuch = 1\n", r"\[app\] NoSuch: the template has no such parameter"),
    ],
)
def test_a_stage_that_is_wrong_is_told_so(
    aws: Aws, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(DeploymentError, match=message):
        Deployment(Stage.read("mine", tmp_path), aws.sam, aws.invoke, lambda _: None).deploy()


@pytest.mark.parametrize("name", ["", "Test", "no such", "x" * 20, "nowhere"])
def test_a_stage_that_is_not_there_is_told_so(name: str) -> None:
    with pytest.raises(DeploymentError, match="STAGE"):
        Stage.read(name)


def test_deleting_a_stage_keeps_what_holds_data(aws: Aws) -> None:
    said: list[str] = []
    Deployment(Stage.read("test"), aws.sam, aws.invoke, said.append).destroy()
    assert aws.deleted == ["ordering-test-web", "ordering-test-monitoring", "ordering-test"]
    assert len(said) == 4


def test_a_stage_is_in_the_applications_template() -> None:
    assert (
        Stack(Stage="test").properties("PlaceOrder")["FunctionName"] == "ordering-test-PlaceOrder"
    )
