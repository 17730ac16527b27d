"""What the functions of one machine share: room for their environments, and a look at memory."""

import asyncio
import resource
from typing import TYPE_CHECKING, Final, Protocol

from infra.local.lambdas.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Sequence

_ALWAYS: Final = 4
_FILES_EACH: Final = 8  # its listener and connection, its output, its memory, its answer's client
_OTHER_FILES: Final = 1000
_MEMORY_SAMPLE_SECONDS: Final = 0.05


class Pool(Protocol):
    """The environments of one function."""

    @property
    def least_recently_used(self) -> Environment | None:
        """The free environment that will be needed last, None when all are at work."""


class Machine:
    """Room for `max_environments` of all functions together.

    A few each function may always have, so that none has to wait for others to be done. Where there
    is no more room, the free environment that was used longest ago makes way. The memory of those
    that are running something is looked at, and that of no others.
    """

    def __init__(self, max_environments: int) -> None:
        self.environments = 0
        self.pools: Sequence[Pool] = ()
        self._max_environments = max_environments
        self._always = min(_ALWAYS, max_environments)
        self._busy: set[Environment] = set()
        self._timer: asyncio.TimerHandle | None = None

    def allow_files(self) -> None:
        """Raise this process's limit of open files to what so many environments need."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = _OTHER_FILES + _FILES_EACH * self._max_environments
        if hard != resource.RLIM_INFINITY:
            needed = min(needed, hard)
        if soft != resource.RLIM_INFINITY and soft < needed:
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))

    def has_room(self, own: int) -> bool:
        """Return whether a function that has `own` environments may have another one."""
        if own < self._always or self.environments < self._max_environments:
            return True
        unused = [pool.least_recently_used for pool in self.pools]
        oldest = min(filter(None, unused), key=lambda each: each.last_used, default=None)
        if oldest is None:
            return False
        oldest.shut_down()
        return True

    def works(self, environment: Environment) -> None:
        """Watch an environment that has taken an invocation."""
        self._busy.add(environment)
        if self._timer is None:
            self._wait()

    def rests(self, environment: Environment) -> None:
        """Stop watching it."""
        self._busy.discard(environment)

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_MEMORY_SAMPLE_SECONDS, self._sample)

    def _sample(self) -> None:
        self._timer = None
        for environment in list(self._busy):
            environment.sample_memory()
        if self._busy:
            self._wait()
