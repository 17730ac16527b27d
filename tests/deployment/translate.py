"""Prints what SAM makes of a template, as CloudFormation gets it. Run by AWS SAM's own environment.

Where a build would have put code into a bucket, this puts a name that changes with the content.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import boto3
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

ROOT = Path(__file__).parents[2]
_MANAGED = "arn:aws:iam::aws:policy/"


def built(resource: dict[str, Any]) -> None:
    """Name the code as a build does: a function's is its file, a layer's its directory."""
    properties = resource["Properties"]
    if resource["Type"] == "AWS::Serverless::LayerVersion":
        files = sorted(path for path in (ROOT / properties["ContentUri"]).rglob("*.*"))
        properties["ContentUri"] = f"s3://built/{digest(files)}"
    else:
        module = properties["Handler"].rsplit(".", 1)[0].replace(".", "/")
        properties["CodeUri"] = f"s3://built/{digest([ROOT / 'functions' / f'{module}.py'])}"


def digest(files: list[Path]) -> str:
    found = hashlib.sha256()
    for file in files:
        if file.is_file() and "__pycache__" not in file.parts:
            found.update(file.read_bytes())
    return found.hexdigest()


def main(parameters: dict[str, str], changed: dict[str, str]) -> None:
    """``changed`` gives functions' logical ids other code than they have."""
    document = yaml_parse((ROOT / "template.yaml").read_text())
    document["Globals"]["Function"].pop("CodeUri")
    for name, resource in document["Resources"].items():
        if resource["Type"] in {"AWS::Serverless::LayerVersion", "AWS::Serverless::Function"}:
            built(resource)
            if name in changed:
                where = "CodeUri" if "Handler" in resource["Properties"] else "ContentUri"
                resource["Properties"][where] = f"s3://built/{changed[name]}"
    session = boto3.Session(region_name="eu-central-1")
    managed = {
        name: f"{_MANAGED}service-role/{name}"
        for name in (
            "AWSLambdaBasicExecutionRole",
            "AWSLambdaMSKExecutionRole",
            "AWSLambdaVPCAccessExecutionRole",
        )
    }
    template = Translator(managed, Parser(), boto_session=session).translate(document, parameters)
    json.dump(template, sys.stdout, default=str)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), json.loads(sys.argv[2]))
