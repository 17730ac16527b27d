"""Handlers for the tests of the local runner, and a Lambda service that runs them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from infra.local.lambdas.service import LambdaService
from infra.local.logs import Logs
from infra.local.template import Function

HANDLERS = {
    "hello": "def handler(event, context):\n    return {'hello': event.get('name', 'world')}\n",
    "echo": "def handler(event, context):\n    return event\n",
    "environ": "import os\ndef handler(event, context):\n    return dict(os.environ)\n",
    "pid": "import os\ndef handler(event, context):\n    return os.getpid()\n",
    "sleeper": (
        "import os, time\n"
        "def handler(event, context):\n"
        "    time.sleep(event.get('seconds', 0))\n"
        "    return os.getpid()\n"
    ),
    "meeter": (
        "import os, time\n"
        "from pathlib import Path\n"
        "def handler(event, context):\n"
        "    here = Path(event['directory'])\n"
        "    (here / str(os.getpid())).touch()\n"
        "    while len(list(here.iterdir())) < event['count']:\n"
        "        time.sleep(0.01)\n"
        "    return os.getpid()\n"
    ),
    "crasher": (
        "import os\n"
        "def handler(event, context):\n"
        "    if event.get('crash'):\n"
        "        os._exit(3)\n"
        "    return 'alive'\n"
    ),
    "hog": (
        "def handler(event, context):\n"
        "    data = b'x' * (event.get('mb', 0) * 1024 * 1024)\n"
        "    return len(data)\n"
    ),
    "raising_init": "raise RuntimeError('no settings')\n",
    "slow_init": "import time\ntime.sleep(30)\n",
    "raiser": "def handler(event, context):\n    raise ValueError('bad order')\n",
    "large": "def handler(event, context):\n    return 'x' * event['bytes']\n",
    "talker": "def handler(event, context):\n    print('said', event['word'])\n    return None\n",
    "told": (
        "import os, signal, sys\n"
        "from http.client import HTTPConnection\n"
        "from threading import Thread\n"
        "from pathlib import Path\n"
        "from ordering.runtime.extension import register_extension\n"
        "is_told = register_extension('told') if 'REGISTERS' in os.environ else False\n"
        "def ended(file):\n"
        "    Path(file).write_text('told')\n"
        "    sys.exit(0)\n"
        "def handler(event, context):\n"
        "    signal.signal(signal.SIGTERM, lambda *_: ended(event['file']))\n"
        "    return is_told\n"
    ),
    "counter": (
        "from pathlib import Path\n"
        "def handler(event, context):\n"
        "    with Path(event['file']).open('a') as file:\n"
        "        file.write('x')\n"
        "    raise ValueError('never works')\n"
    ),
}


def a_function(directory: Path, stem: str, **changes: Any) -> Function:  # noqa: ANN401 - any field of Function
    """Write the handler of that name and return a function that runs it."""
    (directory / f"{stem}.py").write_text(HANDLERS[stem])
    name = "".join(word.capitalize() for word in stem.split("_"))
    fields: dict[str, Any] = {
        "name": name,
        "handler": f"{stem}.handler",
        "code": directory,
        "layers": (),
        "timeout": 10,
        "memory": 256,
        "concurrency": None,
        "environment": {},
        "routes": (),
        "kafka_sources": (),
        "schedules": (),
    }
    return Function(**{**fields, **changes})


@contextlib.asynccontextmanager
async def a_service(
    directory: Path,
    *functions: Function,
    **options: Any,  # noqa: ANN401 - any option of LambdaService
) -> AsyncIterator[LambdaService]:
    """Run a Lambda service with these functions; its logs are in `directory`/logs."""
    options.setdefault("max_environments", 8)
    with Logs(directory / "logs", console=None) as logs:
        service = LambdaService(
            {function.name: function for function in functions},
            logs=logs,
            state_dir=directory / "state",
            **options,
        )
        await service.start()
        try:
            yield service
        finally:
            await service.close()


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.01)
