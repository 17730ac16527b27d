"""Reads a CloudFormation template and resolves its intrinsic functions for one machine."""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from infra.local.template.model import TemplateError

REGION: Final = "us-east-1"
ACCOUNT: Final = "000000000000"
STACK: Final = "local"

_PSEUDO_PARAMETERS: Final = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/0",
    "AWS::StackName": STACK,
    "AWS::URLSuffix": "amazonaws.com",
}
_NO_VALUE: Final = object()
_SUB_VARIABLE: Final = re.compile(r"\$\{(!?)([^}]+)\}")

Yaml = Any  # a template's values have no fixed shape; every reader checks what it takes out


# libyaml's, where PyYAML has it, reads in a tenth of the time.
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SafeLoader):  # type: ignore[misc] # it is a class, whichever
    """SafeLoader that reads `!Sub x` as `{"Fn::Sub": "x"}`, and leaves dates as text."""


def _tag(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Yaml]:
    value: Yaml
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix in {"Ref", "Condition"}:
        return {suffix: value}
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {f"Fn::{suffix}": value}


def _date_as_text(_loader: _Loader, node: yaml.Node) -> str:
    return str(node.value)


_Loader.add_multi_constructor("!", _tag)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _date_as_text)


def read_template(path: Path) -> dict[str, Yaml]:
    """Return the template as dictionaries and lists, intrinsic functions in their long form.

    Raises TemplateError when the file is missing, no YAML, or no template.
    """
    try:
        with path.open(encoding="utf-8") as file:
            document = yaml.load(file, _Loader)  # noqa: S506 - _Loader is a SafeLoader
    except (OSError, yaml.YAMLError) as error:
        raise TemplateError(f"{path}: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict):
        raise TemplateError(f"{path}: no Resources")
    return document


def parameter_values(
    declared: Mapping[str, Mapping[str, Yaml]], given: Mapping[str, str]
) -> dict[str, Yaml]:
    """Return each parameter's value: the given one, else its Default; lists are split.

    Raises TemplateError naming the parameters that are unknown, missing or not allowed.
    """
    if unknown := sorted(set(given) - set(declared)):
        raise TemplateError(f"Parameters: {', '.join(unknown)} not declared in the template")
    missing = [name for name in declared if name not in given and "Default" not in declared[name]]
    if missing:
        raise TemplateError(f"Parameters: no value for {', '.join(missing)}")
    values: dict[str, Yaml] = {}
    for name, declaration in declared.items():
        value = given.get(name, _text(declaration.get("Default")))
        allowed = [_text(choice) for choice in declaration.get("AllowedValues", ())]
        if allowed and value not in allowed:
            raise TemplateError(f"Parameters.{name}: {value!r} is not one of {', '.join(allowed)}")
        pattern = declaration.get("AllowedPattern")
        if pattern is not None and not re.fullmatch(pattern, value):
            raise TemplateError(f"Parameters.{name}: {value!r} does not match {pattern}")
        kind = str(declaration.get("Type", "String"))
        if kind.startswith("AWS::SSM::") and name not in given:
            raise TemplateError(f"Parameters.{name}: {kind} must be given, there is no SSM here")
        is_list = kind == "CommaDelimitedList" or kind.startswith("List<")
        values[name] = [part.strip() for part in value.split(",")] if is_list else value
    return values


class Resolver:
    """Replaces intrinsic functions by their values.

    `references` and `attributes` give `Ref` and `Fn::GetAtt` of the resources that exist on this
    machine, keyed by logical id and `LogicalId.Attribute`. What only exists in the cloud is a
    TemplateError at the place that needs it.
    """

    def __init__(self, document: Mapping[str, Yaml], parameters: Mapping[str, Yaml]) -> None:
        self._resources: Mapping[str, Yaml] = document["Resources"]
        self._conditions: Mapping[str, Yaml] = document.get("Conditions", {})
        self._mappings: Mapping[str, Yaml] = document.get("Mappings", {})
        self._values: dict[str, Yaml] = {**_PSEUDO_PARAMETERS, **parameters}
        self.references: dict[str, str] = {}
        self.attributes: dict[str, str] = {}
        self.used: set[str] = set()
        """Logical ids of the resources that something which runs here refers to."""
        self._functions: Mapping[str, Callable[[Yaml, str], Yaml]] = {
            "Ref": self._ref,
            "Condition": lambda name, _where: self.condition(name),
            "Fn::And": lambda items, where: all(self._list(items, where)),
            "Fn::Base64": lambda value, where: base64.b64encode(
                self.text(value, where).encode()
            ).decode(),
            "Fn::Equals": self._equals,
            "Fn::FindInMap": self._find_in_map,
            "Fn::GetAtt": self._get_att,
            "Fn::If": self._if,
            "Fn::Join": lambda args, where: self.text(args[0], where).join(
                self._list(args[1], where)
            ),
            "Fn::Not": lambda args, where: not self.resolve(args[0], where),
            "Fn::Or": lambda items, where: any(self._list(items, where)),
            "Fn::Select": lambda args, where: self._list(args[1], where)[
                int(self.text(args[0], where))
            ],
            "Fn::Split": lambda args, where: self.text(args[1], where).split(args[0]),
            "Fn::Sub": self._sub,
        }

    def resolve(self, value: Yaml, where: str) -> Yaml:
        """Return `value` with every intrinsic function replaced; `where` is for messages."""
        if isinstance(value, dict):
            if len(value) == 1:
                name, argument = next(iter(value.items()))
                if name in self._functions:
                    return self._call(name, argument, where)
                if str(name).startswith("Fn::"):
                    raise TemplateError(f"{where}: the local runner cannot resolve {name}")
            resolved = {key: self.resolve(item, f"{where}.{key}") for key, item in value.items()}
            return {key: item for key, item in resolved.items() if item is not _NO_VALUE}
        if isinstance(value, list):
            items = [self.resolve(item, where) for item in value]
            return [item for item in items if item is not _NO_VALUE]
        return value

    def text(self, value: Yaml, where: str) -> str:
        """Return the resolved scalar as CloudFormation would pass it: as text."""
        resolved = self.resolve(value, where)
        if not isinstance(resolved, str | int | float):
            raise TemplateError(f"{where}: a single value is needed, not {resolved!r}")
        return _text(resolved)

    def condition(self, name: str) -> bool:
        """Return the value of the named condition."""
        if name not in self._conditions:
            raise TemplateError(f"Conditions.{name}: not declared in the template")
        return bool(self.resolve(self._conditions[name], f"Conditions.{name}"))

    def _call(self, name: str, argument: Yaml, where: str) -> Yaml:
        try:
            return self._functions[name](argument, where)
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise TemplateError(f"{where}: {name} {argument!r}: {error}") from error

    def _list(self, value: Yaml, where: str) -> Sequence[Yaml]:
        resolved = self.resolve(value, where)
        if not isinstance(resolved, list):
            raise TemplateError(f"{where}: a list is needed, not {resolved!r}")
        return resolved

    def _ref(self, name: str, where: str) -> Yaml:
        if name == "AWS::NoValue":
            return _NO_VALUE
        if name in self._values:
            return self._values[name]
        if name in self.references:
            self.used.add(name)
            return self.references[name]
        raise TemplateError(f"{where}: !Ref {name}: {self._absent(name)}")

    def _get_att(self, argument: Sequence[str], where: str) -> str:
        name = ".".join(argument)
        if name in self.attributes:
            self.used.add(argument[0])
            return self.attributes[name]
        raise TemplateError(f"{where}: !GetAtt {name}: {self._absent(argument[0])}")

    def _absent(self, name: str) -> str:
        if name in self._resources:
            return f"{self._resources[name].get('Type')} has no value on this machine"
        return "no such parameter or resource"

    def _sub(self, argument: Yaml, where: str) -> str:
        template, variables = argument if isinstance(argument, list) else (argument, {})

        def value(match: re.Match[str]) -> str:
            literal, name = match.groups()
            if literal:
                return "${" + name + "}"
            if name in variables:
                return self.text(variables[name], where)
            if "." in name:
                return self._get_att(name.split(".", 1), where)
            return self.text({"Ref": name}, where)

        return _SUB_VARIABLE.sub(value, template)

    def _if(self, argument: Sequence[Yaml], where: str) -> Yaml:
        name, if_true, if_false = argument
        return self.resolve(if_true if self.condition(name) else if_false, where)

    def _equals(self, argument: Sequence[Yaml], where: str) -> bool:
        left, right = argument
        return self.text(left, where) == self.text(right, where)

    def _find_in_map(self, argument: Sequence[Yaml], where: str) -> Yaml:
        name, first, second = (self.text(part, where) for part in argument)
        return self._mappings[name][first][second]


def _text(value: Yaml) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
