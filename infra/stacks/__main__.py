"""Deploy all stacks of a stage, or delete those that hold no data: `python -m infra.stacks`."""

from __future__ import annotations

import argparse
import sys

from infra.stacks.deployment import Deployment, DeploymentError
from infra.stacks.stage import Stage


def main() -> int:
    """Carry out what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.stacks", description=__doc__)
    parser.add_argument("what", choices=["deploy", "destroy"])
    parser.add_argument("--stage", required=True)
    arguments = parser.parse_args()
    try:
        deployment = Deployment(Stage.read(arguments.stage))
        if arguments.what == "deploy":
            deployment.deploy()
        else:
            deployment.destroy()
    except DeploymentError as error:
        print(f"stopped: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
