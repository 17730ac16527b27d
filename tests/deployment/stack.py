"""The template as CloudFormation gets it from SAM, and the order in which it creates or updates."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any, Final

from infra.contracts.functions import PARAMETERS
from infra.local.settings import ROOT
from infra.local.template.cloudformation import Resolver, parameter_values

if TYPE_CHECKING:
    from collections.abc import Iterator

Resource = dict[str, Any]
_SAM: Final = ROOT / ".local" / "sam" / "bin" / "python"
_TRANSLATE: Final = ROOT / "tests" / "deployment" / "translate.py"
_NAMED: Final = re.compile(r"\$\{([A-Za-z0-9]+)(?:\.[^}]*)?\}")


@functools.cache
def translated(changed: str = "{}") -> dict[str, Any]:
    """Return SAM's output; ``changed`` (JSON) gives logical ids other code than they have."""
    done = subprocess.run(
        [_SAM, _TRANSLATE, "{}", changed],
        env={**os.environ, "AWS_DEFAULT_REGION": "eu-central-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stderr}\n(make .local/sam/.ready installs AWS SAM)"
    template: dict[str, Any] = json.loads(done.stdout)
    return template


class Stack:
    """One stack of the template with these parameters, beside those that a deployment needs.

    ``changed`` are the functions and layers that have other code than they have now.
    """

    def __init__(self, *changed: str, **parameters: str) -> None:
        template = translated(json.dumps(dict.fromkeys(changed, "other"), sort_keys=True))
        values = parameter_values(template["Parameters"], PARAMETERS | parameters)
        self.resolver = Resolver(template, values)
        self.resources: dict[str, Resource] = {
            name: resource
            for name, resource in template["Resources"].items()
            if "Condition" not in resource or self.resolver.condition(resource["Condition"])
        }
        for name, resource in self.resources.items():
            arn = _arn(name, resource)
            self.resolver.references[name] = name if "Layer" not in resource["Type"] else arn
            self.resolver.attributes[f"{name}.Arn"] = arn
            self.resolver.attributes[f"{name}.Schema"] = "newest"

    def of_type(self, kind: str) -> dict[str, Resource]:
        return {name: each for name, each in self.resources.items() if each["Type"] == kind}

    def properties(self, name: str) -> dict[str, Any]:
        """Return a resource's properties with everything resolved."""
        resolved: dict[str, Any] = self.resolver.resolve(self.resources[name]["Properties"], name)
        return resolved

    def needs(self, name: str) -> set[str]:
        """Return the resources that have to be there before this one."""
        named = self.resources[name].get("DependsOn", ())
        found = {named} if isinstance(named, str) else set(named)
        found.update(self._references(self.resources[name].get("Properties", {})))
        found.update(self._references(self.resources[name].get("UpdatePolicy", {})))
        return {other for other in found if other in self.resources}

    def order(self) -> list[str]:
        """Return the resources in an order that CloudFormation may take; it takes no other."""
        return list(TopologicalSorter({n: self.needs(n) for n in self.resources}).static_order())

    def _references(self, value: Any) -> Iterator[str]:  # noqa: ANN401 - any part of a template
        if isinstance(value, list):
            for item in value:
                yield from self._references(item)
        elif isinstance(value, dict):
            for key, item in value.items():
                match key, item:
                    case "Ref", str():
                        yield item
                    case "Fn::GetAtt", _:
                        yield item[0] if isinstance(item, list) else item.split(".")[0]
                    case "Fn::Sub", _:
                        text = item if isinstance(item, str) else item[0]
                        yield from _NAMED.findall(text)
                        yield from self._references(item if isinstance(item, list) else [])
                    case "Fn::If", [condition, if_true, if_false]:
                        chosen = if_true if self.resolver.condition(condition) else if_false
                        yield from self._references(chosen)
                    case _:
                        yield from self._references(item)


def _arn(name: str, resource: Resource) -> str:
    if resource["Type"] == "AWS::Logs::LogGroup":
        return f"arn:aws:logs:us-east-1:000000000000:log-group:{name}:*"
    service = resource["Type"].split("::")[1].lower()
    return f"arn:aws:{service}:us-east-1:000000000000:{name}"
