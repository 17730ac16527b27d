"""Reads the properties of one template block, so that none is overlooked."""

from collections.abc import Iterable, Mapping
from typing import Self

from infra.local.template.cloudformation import Resolver, Yaml
from infra.local.template.model import TemplateError


class Properties:
    """The properties of one block, each read once; `finish` refuses those that were not read.

    `cloud_only` collects the names of properties that have their effect only in the cloud.
    """

    def __init__(
        self, values: Yaml, where: str, resolver: Resolver, cloud_only: dict[str, list[str]]
    ) -> None:
        if values is not None and not isinstance(values, dict):
            raise TemplateError(f"{where}: a mapping is needed, not {values!r}")
        self._values: Mapping[str, Yaml] = values or {}
        self._unread = set(self._values)
        self._resolver = resolver
        self._cloud_only = cloud_only
        self.where = where

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def raw(self, name: str) -> Yaml:
        """Return the property as it is written, None when absent."""
        self._unread.discard(name)
        return self._values.get(name)

    def value(self, name: str) -> Yaml:
        """Return the resolved property, None when absent or AWS::NoValue."""
        resolved = self._resolver.resolve({name: self.raw(name)}, self.where)
        return resolved.get(name)

    def text(self, name: str, default: str | None = None) -> str:
        """Return the property as text; without a default its absence is a TemplateError."""
        value = self.value(name)
        if value is None:
            if default is None:
                raise TemplateError(f"{self.where}.{name}: missing")
            return default
        return self._resolver.text(value, f"{self.where}.{name}")

    def integer(self, name: str, default: int) -> int:
        """Return the property as a whole number."""
        text = self.text(name, str(default))
        try:
            return int(text)
        except ValueError:
            raise TemplateError(f"{self.where}.{name}: {text!r} is no whole number") from None

    def flag(self, name: str, default: bool) -> bool:
        """Return the property as a truth value."""
        return self.text(name, "true" if default else "false").lower() == "true"

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the property as a list of texts; empty when absent."""
        value = self.value(name)
        if value is None:
            return ()
        items = value if isinstance(value, list) else [value]
        return tuple(self._resolver.text(item, f"{self.where}.{name}") for item in items)

    def block(self, name: str) -> Self:
        """Return the property as a block of its own, empty when absent."""
        return type(self)(self.raw(name), f"{self.where}.{name}", self._resolver, self._cloud_only)

    def cloud_only(self, names: Iterable[str]) -> None:
        """Accept properties that change nothing here; they are named in the warning."""
        for name in names:
            if name in self._unread:
                self._unread.discard(name)
                resource = self.where.split(".")[0]
                self._cloud_only.setdefault(name, []).append(resource)

    def descriptive(self, *names: str) -> None:
        """Accept properties that describe, and change nothing anywhere."""
        self._unread.difference_update(names)

    def finish(self) -> None:
        """Raise TemplateError naming a property that the runner does not know how to run."""
        for name in sorted(self._unread):
            raise TemplateError(f"{self.where}.{name}: the local runner cannot run this property")
