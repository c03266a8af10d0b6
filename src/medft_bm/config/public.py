"""The config without what is nobody's business: for trackers and whoever else is shown it."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any

from medft_bm.config.schema import Config

SECRET = re.compile(r"(^|_)(salt|token|api_key|password|secret)$", re.IGNORECASE)
PATH = re.compile(r"(/|~|\.{1,2}/|\.{1,2}$|[A-Za-z]:[\\/]|\\\\)")
"""How the text of a path begins that is no Hub id."""


def public_config(config: Config) -> dict[str, Any]:
    """Every key with its value, as JSON; without secrets, and with the last name alone of every path."""
    return {section: _shown(value) for section, value in config.model_dump().items()}


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _shown(child) for key, child in value.items() if not SECRET.search(str(key))}
    if isinstance(value, list | tuple):
        return [_shown(child) for child in value]
    if isinstance(value, PurePath):
        return value.name
    if isinstance(value, str) and PATH.match(value):
        return PurePath(value.replace("\\", "/")).name
    return value
