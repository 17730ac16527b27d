"""Reads one function of a template, its Globals merged in, its code and layers found."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from infra.local.template.api import HttpApiSettings
from infra.local.template.cloudformation import Resolver, Yaml
from infra.local.template.events import read_events
from infra.local.template.model import Function, TemplateError
from infra.local.template.properties import Properties

_CLOUD_ONLY: Final = (
    "AutoPublishAlias",
    "AutoPublishAliasAllProperties",
    "CodeSigningConfigArn",
    "DeploymentPreference",
    "KmsKeyArn",
    "PermissionsBoundary",
    "Policies",
    "ProvisionedConcurrencyConfig",
    "Role",
    "SnapStart",
    "Tracing",
    "VpcConfig",
)


class FunctionReader:
    """Reads functions; `root` is the template's directory, `runtimes` gathers what they ask for."""

    def __init__(
        self,
        root: Path,
        defaults: Mapping[str, Yaml],
        resources: Mapping[str, Mapping[str, Yaml]],
        resolver: Resolver,
        cloud_only: dict[str, list[str]],
    ) -> None:
        self._root = root
        self._defaults = defaults
        self._resources = resources
        self._resolver = resolver
        self._cloud_only = cloud_only
        self.runtimes: set[str] = set()

    def read(self, name: str, api: HttpApiSettings) -> Function:
        """Return the function; raises TemplateError for what is wrong or cannot run here."""
        values = _merge(self._defaults, self._resources[name].get("Properties") or {})
        properties = Properties(values, name, self._resolver, self._cloud_only)
        properties.cloud_only(_CLOUD_ONLY)
        # Processes run on the architecture that is here; tags and descriptions are for people. Here
        # functions are known by their names in the template.
        properties.descriptive(
            "Architectures", "Description", "FunctionName", "PropagateTags", "Tags"
        )
        if (package := properties.text("PackageType", "Zip")) != "Zip":
            raise TemplateError(f"{name}.PackageType: the local runner cannot run {package}")
        runtime = properties.text("Runtime")
        if not runtime.startswith("python3."):
            raise TemplateError(f"{name}.Runtime: the local runner runs Python only, not {runtime}")
        self.runtimes.add(runtime)
        code = self._directory(properties.raw("CodeUri"), f"{name}.CodeUri")
        layers = self._layers(properties)
        handler = properties.text("Handler")
        _check_handler(handler, (code, *layers), f"{name}.Handler")
        concurrency = properties.integer("ReservedConcurrentExecutions", -1)
        async_config = properties.block("EventInvokeConfig")
        async_retries = async_config.integer("MaximumRetryAttempts", 2)
        max_event_age = async_config.integer("MaximumEventAgeInSeconds", 21_600)
        async_config.cloud_only(["DestinationConfig"])
        async_config.finish()
        events = read_events(properties, api.authorization)
        function = Function(
            name=name,
            handler=handler,
            code=code,
            layers=layers,
            timeout=properties.integer("Timeout", 3),
            memory=properties.integer("MemorySize", 128),
            concurrency=None if concurrency < 0 else concurrency,
            environment={**_log_settings(properties), **self._variables(properties)},
            routes=events.routes,
            kafka_sources=events.kafka_sources,
            schedules=events.schedules,
            async_retries=async_retries,
            max_event_age=max_event_age,
        )
        properties.finish()
        return function

    def _variables(self, function: Properties) -> dict[str, str]:
        environment = function.block("Environment")
        variables = environment.value("Variables") or {}
        environment.finish()
        return {
            name: self._resolver.text(value, f"{environment.where}.Variables.{name}")
            for name, value in variables.items()
        }

    def _directory(self, value: Yaml, where: str) -> Path:
        if not isinstance(value, str) or value.startswith("s3://"):
            raise TemplateError(f"{where}: a local directory is needed, not {value!r}")
        directory = (self._root / value).resolve()
        if not directory.is_dir():
            raise TemplateError(f"{where}: {directory} is no directory")
        return directory

    def _layers(self, function: Properties) -> tuple[Path, ...]:
        """Return what the layers add to PYTHONPATH; a later layer wins, as it does in /opt."""
        directories: list[Path] = []
        for reference in function.texts("Layers"):
            name = reference.removeprefix("layer:")
            if name == reference:
                raise TemplateError(f"{function.where}.Layers: {reference} is not of this template")
            content_uri = self._resources[name].get("Properties", {}).get("ContentUri")
            content = self._directory(content_uri, f"{name}.ContentUri")
            method = str(self._resources[name].get("Metadata", {}).get("BuildMethod", ""))
            if method and method != "makefile" and not method.startswith("python"):
                raise TemplateError(f"{name}.Metadata.BuildMethod: cannot build {method} here")
            # SAM, or the layer's makefile, puts what it builds under python/; unbuilt content must
            # have that directory.
            python = content if method else content / "python"
            if python.is_dir():
                directories.insert(0, python)
        return tuple(directories)


def _merge(defaults: Mapping[str, Yaml], own: Mapping[str, Yaml]) -> dict[str, Yaml]:
    """Return Globals merged with a function's properties as SAM does.

    Mappings are merged, lists are concatenated with the global items first, the rest replaced.
    """
    merged = dict(defaults)
    for name, value in own.items():
        default = defaults.get(name)
        if isinstance(default, dict) and isinstance(value, dict) and not _is_intrinsic(value):
            merged[name] = _merge(default, value)
        elif isinstance(default, list) and isinstance(value, list) and name != "Architectures":
            merged[name] = [*default, *value]
        else:
            merged[name] = value
    return merged


def _is_intrinsic(value: Mapping[str, Yaml]) -> bool:
    return len(value) == 1 and (next(iter(value)) == "Ref" or next(iter(value)).startswith("Fn::"))


def _log_settings(function: Properties) -> dict[str, str]:
    """Return the variables by which Lambda configures the runtime's logging."""
    logging = function.block("LoggingConfig")
    logging.cloud_only(["LogGroup", "SystemLogLevel"])
    settings = {}
    if (log_format := logging.text("LogFormat", "Text")) == "JSON":
        settings["AWS_LAMBDA_LOG_FORMAT"] = log_format
    if level := logging.text("ApplicationLogLevel", ""):
        settings["AWS_LAMBDA_LOG_LEVEL"] = level
    logging.finish()
    return settings


def _check_handler(handler: str, directories: tuple[Path, ...], where: str) -> None:
    module, _, function = handler.replace("/", ".").rpartition(".")
    if not module or not function:
        raise TemplateError(f"{where}: {handler!r} is not module.function")
    file = Path(*module.split("."))
    for directory in directories:
        if (directory / file.with_suffix(".py")).is_file():
            return
        if (directory / file / "__init__.py").is_file():
            return
    raise TemplateError(f"{where}: {directories[0] / file.with_suffix('.py')} does not exist")
