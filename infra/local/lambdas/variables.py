"""How a function's process is started: its command and its environment variables."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.local.template.model import Function


def launcher() -> tuple[str, ...]:
    """Return the command in front of the interpreter that makes a process die with the runner.

    The kernel's parent-death signal has to be asked for in the child. Python's `preexec_fn` could,
    but runs Python between fork and exec, which may deadlock in a process that has threads, and
    rules out vfork. util-linux's setpriv does it in C in a fraction of a millisecond, and the
    signal stays set over the exec of the interpreter. Empty where setpriv cannot do that: an idle
    environment still ends with the runner, since its connection to the Runtime API breaks.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return ()
    usage = subprocess.run([setpriv, "--help"], capture_output=True, text=True, check=False)
    if "--pdeathsig" not in usage.stdout:
        return ()
    return (setpriv, "--pdeathsig", "KILL", "--")


def function_variables(function: Function, region: str, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables of a function, made from scratch as Lambda makes them."""
    code = str(function.code)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {
        "LANG": "C.UTF-8",
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "TZ": ":UTC",
        "AWS_ACCESS_KEY_ID": "test",  # as LocalStack and moto expect it
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SESSION_TOKEN": "test",
        # A developer's own profile is none of a function's business.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        **function.environment,
        **extra,
        # What follows is Lambda's own to set. The runtime client changes its ways from
        # AWS_Lambda_python3.12 on (a thread polls), so this names the interpreter that is here and
        # not the one that the template asks for.
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{version}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "LAMBDA_TASK_ROOT": code,
        "PYTHONPATH": os.pathsep.join([code, *map(str, function.layers)]),
        "_HANDLER": function.handler,
    }
