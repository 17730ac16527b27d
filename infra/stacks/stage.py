"""What a stage has of its own: which stacks it needs, and their parameters."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = Path(__file__).parents[2]
STAGES: Final = Path(__file__).parent / "stages"
STACKS: Final = ("network", "databases", "kafka", "identity", "app", "monitoring", "web")
"""In the order in which each needs what those before it have left in SSM."""
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,15}")


class DeploymentError(Exception):
    """A stage cannot be deployed; the message names what is missing or wrong."""


@dataclass(frozen=True)
class Stage:
    """One stage: the parameters of each of its stacks; None: the stack is somebody else's."""

    name: str
    parameters: Mapping[str, Mapping[str, str] | None]

    @classmethod
    def read(cls, name: str, directory: Path = STAGES) -> Stage:
        """Read it from its file.

        Raises:
            DeploymentError: there is none, or it names a stack that there is not.
        """
        if not _NAME.fullmatch(name):
            raise DeploymentError(f"STAGE: {name!r} is not of the kind [a-z][a-z0-9-]{{0,15}}")
        file = directory / f"{name}.toml"
        try:
            written = tomllib.loads(file.read_text())
        except FileNotFoundError:
            known = ", ".join(sorted(each.stem for each in directory.glob("*.toml")))
            raise DeploymentError(f"STAGE: there is no {file} (there are {known})") from None
        except tomllib.TOMLDecodeError as error:
            raise DeploymentError(f"{file}: {error}") from None
        if unknown := sorted(set(written) - set(STACKS)):
            raise DeploymentError(f"{file}: [{unknown[0]}] is none of {', '.join(STACKS)}")
        parameters: dict[str, Mapping[str, str] | None] = {}
        for stack in STACKS:
            own = dict(written.get(stack, {"exists": True}))
            exists = own.pop("exists", False)
            parameters[stack] = None if exists else {key: str(v) for key, v in own.items()}
        return cls(name, parameters)

    def stack_name(self, stack: str) -> str:
        """Return the name of a stack of this stage; the application's is the stage's own."""
        return f"ordering-{self.name}" if stack == "app" else f"ordering-{self.name}-{stack}"

    def ssm_path(self) -> str:
        """Return where the stacks leave what others need."""
        return f"/ordering/{self.name}/"


def template_of(stack: str) -> Path:
    """Return a stack's template; the application's is what `sam build` has made of it."""
    if stack == "app":
        return ROOT / ".aws-sam" / "build" / "template.yaml"
    return ROOT / "infra" / "stacks" / f"{stack}.yaml"
