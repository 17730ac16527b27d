"""Keeps a state directory with the broker it was begun with.

The events that projections have yet to apply, and the positions of consumer groups, are in that
broker; with another one, or an empty one, the read side would stop at the gap.
"""

from pathlib import Path
from typing import Final

from infra.local.servers.child import StartError
from infra.local.servers.kafka_install import Choice

_FILE: Final = "kafka.kind"


def kind_kept(state_dir: Path) -> str | None:
    """Return the KAFKA= setting that this state belongs to; None for a new one."""
    path = state_dir / _FILE
    return path.read_text().strip() if path.exists() else None


def keep_kind(state_dir: Path, choice: Choice) -> None:
    """Remember the choice. Raises StartError when the state belongs to another broker."""
    kind = choice.kind if choice.runs_here else choice.bootstrap_servers
    kept = kind_kept(state_dir)
    if kept is None:
        (state_dir / _FILE).write_text(kind + "\n")
    elif kept != kind:
        raise StartError(
            f"this state's events are in KAFKA={kept}, not in KAFKA={kind}; use the former, "
            "or forget all data (make reset)"
        )
