"""Reads the HTTP API of a template: its JWT authorizer, CORS configuration and access log."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from infra.local.template.events import ApiAuthorization, read_throttle
from infra.local.template.model import (
    ACCESS_LOG_VARIABLES,
    CLAIM_VARIABLE,
    AccessLog,
    Cors,
    TemplateError,
)
from infra.local.template.properties import Properties

_TOKEN_SOURCE: Final = "$request.header.Authorization"  # noqa: S105 - where a token is, not a token
_VARIABLE: Final = "$context."
_CLOUD_ONLY: Final = (
    "DisableExecuteApiEndpoint",
    "Domain",
    "RouteSettings",
    "StageVariables",
)


@dataclass(frozen=True)
class HttpApiSettings:
    """What the HTTP API does before a function is called."""

    authorization: ApiAuthorization
    jwt_issuer: str | None
    jwt_audience: tuple[str, ...]
    cors: Cors | None
    access_log: AccessLog | None


def read_api(api: Properties, log_groups: Collection[str]) -> HttpApiSettings:
    """Return the API's settings; raises TemplateError for what the runner cannot do.

    `log_groups` are the ARNs of those that there are.
    """
    api.descriptive("Description", "Name", "Tags", "PropagateTags", "FailOnWarnings")
    api.cloud_only(_CLOUD_ONLY)
    if (stage := api.text("StageName", "$default")) != "$default":
        raise TemplateError(f"{api.where}.StageName: the local runner has no stage {stage}")
    auth = api.block("Auth")
    default = auth.text("DefaultAuthorizer", "") or None
    scopes: dict[str, tuple[str, ...]] = {}
    issuer: str | None = None
    audience: tuple[str, ...] = ()
    authorizers = auth.block("Authorizers")
    for name in auth.raw("Authorizers") or {}:
        if scopes:
            raise TemplateError(f"{authorizers.where}: the local runner runs one authorizer")
        issuer, audience, scopes[name] = _authorizer(authorizers.block(name))
    auth.finish()
    if default is not None and default not in scopes:
        raise TemplateError(f"{auth.where}.DefaultAuthorizer: there is no authorizer {default}")
    settings = HttpApiSettings(
        ApiAuthorization(scopes, default, read_throttle(api.block("DefaultRouteSettings"))),
        issuer,
        audience,
        _cors(api),
        _access_log(api, log_groups),
    )
    api.finish()
    return settings


def _authorizer(authorizer: Properties) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return issuer, audience and the required scopes; a Lambda authorizer is refused."""
    if (source := authorizer.text("IdentitySource", _TOKEN_SOURCE)) != _TOKEN_SOURCE:
        raise TemplateError(f"{authorizer.where}.IdentitySource: cannot read {source}")
    jwt = authorizer.block("JwtConfiguration")
    issuer, audience = jwt.text("issuer"), jwt.texts("audience")
    jwt.finish()
    scopes = authorizer.texts("AuthorizationScopes")
    authorizer.finish()
    return issuer, audience, scopes


def _cors(api: Properties) -> Cors | None:
    written = api.raw("CorsConfiguration")
    if written is None or written is False:
        return None
    if written is True:
        return Cors(allow_origins=("*",))
    cors = api.block("CorsConfiguration")
    max_age = cors.integer("MaxAge", -1)
    settings = Cors(
        allow_origins=cors.texts("AllowOrigins"),
        allow_headers=tuple(name.lower() for name in cors.texts("AllowHeaders")),
        allow_methods=tuple(name.upper() for name in cors.texts("AllowMethods")),
        expose_headers=tuple(name.lower() for name in cors.texts("ExposeHeaders")),
        max_age=None if max_age < 0 else max_age,
        allow_credentials=cors.flag("AllowCredentials", default=False),
    )
    cors.finish()
    return settings


def _access_log(api: Properties, log_groups: Collection[str]) -> AccessLog | None:
    if "AccessLogSettings" not in api:
        return None
    settings = api.block("AccessLogSettings")
    if (destination := settings.text("DestinationArn")) not in log_groups:
        raise TemplateError(
            f"{settings.where}.DestinationArn: {destination} is no log group of this template"
        )
    fields = _fields(settings.text("Format"), f"{settings.where}.Format")
    settings.finish()
    return AccessLog(fields)


def _fields(written: str, where: str) -> Mapping[str, str]:
    try:
        line = json.loads(written)
    except ValueError as error:
        raise TemplateError(f"{where}: the local runner writes JSON only ({error})") from None
    if not isinstance(line, dict):
        raise TemplateError(f"{where}: a JSON object is needed")
    fields: dict[str, str] = {}
    for name, value in line.items():
        variable = value.removeprefix(_VARIABLE) if isinstance(value, str) else ""
        is_claim = variable.startswith(CLAIM_VARIABLE) and variable != CLAIM_VARIABLE
        if value == variable or not (variable in ACCESS_LOG_VARIABLES or is_claim):
            raise TemplateError(f"{where}: the local runner has no {value!r} ({name})")
        fields[name] = variable
    return fields
