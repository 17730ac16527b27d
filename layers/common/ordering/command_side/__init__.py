"""The write loop: load, decide, append. Each file under functions/commands declares its part."""

from .loop import CommandFunction

__all__ = ["CommandFunction"]
