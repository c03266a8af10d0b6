"""Who answers when no model of this process does: a server, with its key, or a fake."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from medft_bm.core.errors import ConfigError

if TYPE_CHECKING:
    from medft_bm.config.evaluation import Server
    from medft_bm.config.schema import Config
    from medft_bm.evaluate.backends.fake import FakeModel
    from medft_bm.evaluate.backends.openai import OpenAI
    from medft_bm.evaluate.backends.refusals import Key
    from medft_bm.prepare.dataset import Prepared

USUAL = "OPENAI_API_KEY"


def server_of(config: Config) -> OpenAI:
    """The server of a config, reached and ready to be asked.

    Raises:
        ConfigError: no access, or no such model.
        MedftError: it cannot be reached.
    """
    from medft_bm.evaluate.backends.connection import connect

    server = config.evaluate.server
    return connect(server, config.evaluate.max_new_tokens, server_key(server, os.environ))


def fake_of(config: Config, sets: Sequence[Prepared]) -> FakeModel:
    """A fake that knows the reference answers of the split that is asked, in every set."""
    from medft_bm.evaluate.backends.fake import FakeModel

    items = (item for prepared in sets for item in prepared.items(config.evaluate.split))
    return FakeModel({item.uid: item.answer_text for item in items}, config.evaluate.fake)


def server_key(server: Server, environ: Mapping[str, str]) -> Key:
    """The key for a server, from a file or a variable; it goes nowhere but into requests.

    Raises:
        ConfigError: the file or variable that was named holds no key.
    """
    from medft_bm.evaluate.backends.refusals import Key

    if server.key_file is not None:
        return Key(_checked(_read(server.key_file), "evaluate.server.key_file"), f"the file {server.key_file}")
    if server.key_variable is not None:
        value = environ.get(server.key_variable, "")
        return Key(_checked(value, "evaluate.server.key_variable"), f"the variable {server.key_variable}")
    if (server.url or "").startswith("https://") and environ.get(USUAL):
        return Key(_checked(environ[USUAL], USUAL), f"the variable {USUAL}")
    return Key()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = f"the file with the key cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}"
        fix = "give a text file that holds the key and nothing else"
        raise ConfigError(what, where=f"evaluate.server.key_file ({path})", fix=fix) from None


def _checked(text: str, where: str) -> SecretStr:
    """The key without the line end of its file; a header takes no other."""
    key = text.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        what = "there is no key" if not key else "what should be the key is no single word of ASCII letters"
        raise ConfigError(what, where=where, fix="export the variable, or write the key alone into the file")
    return SecretStr(key)
