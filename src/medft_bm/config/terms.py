"""Licences and terms of use: what they ask of whoever passes on data, or a model made with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field

from medft_bm.config.fields import Section
from medft_bm.core.registry import did_you_mean


@dataclass(frozen=True)
class Licence:
    """What one licence, or one agreement, allows.

    Attributes:
        id: as the Hub writes it in the head of a card, or our own name.
        title: in words.
        url: of its text; empty where there is none for everybody.
        on_hub: ``id`` is one of the Hub's licences.
        share_alike: what is made of it must be passed on under the same licence.
        commercial: it may be used commercially.
        data: prepared images and questions may be passed on to everybody.
        models: a model made with it may be passed on to everybody.
        note: what it asks beyond naming the authors, for the reader of a card; empty when nothing.
    """

    id: str
    title: str
    url: str = ""
    on_hub: bool = True
    share_alike: bool = False
    commercial: bool = True
    data: bool = True
    models: bool = True
    note: str = ""


_CC = "https://creativecommons.org/licenses/"
_NC = "No commercial use."
_ND = "Changed versions must not be passed on, and preparation changes images."
_SA = "What is made of it is passed on under the same licence."

ALL = (
    Licence("cc0-1.0", "CC0 1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
    Licence("cc-by-3.0", "CC BY 3.0", f"{_CC}by/3.0/"),
    Licence("cc-by-4.0", "CC BY 4.0", f"{_CC}by/4.0/"),
    Licence("cc-by-sa-3.0", "CC BY-SA 3.0", f"{_CC}by-sa/3.0/", share_alike=True, note=_SA),
    Licence("cc-by-sa-4.0", "CC BY-SA 4.0", f"{_CC}by-sa/4.0/", share_alike=True, note=_SA),
    Licence("cc-by-nc-3.0", "CC BY-NC 3.0", f"{_CC}by-nc/3.0/", commercial=False, note=_NC),
    Licence("cc-by-nc-4.0", "CC BY-NC 4.0", f"{_CC}by-nc/4.0/", commercial=False, note=_NC),
    Licence(
        *("cc-by-nc-sa-4.0", "CC BY-NC-SA 4.0", f"{_CC}by-nc-sa/4.0/"),
        share_alike=True,
        commercial=False,
        note=f"{_NC} {_SA}",
    ),
    Licence("cc-by-nd-4.0", "CC BY-ND 4.0", f"{_CC}by-nd/4.0/", data=False, models=False, note=_ND),
    Licence(
        *("cc-by-nc-nd-4.0", "CC BY-NC-ND 4.0", f"{_CC}by-nc-nd/4.0/"),
        commercial=False,
        data=False,
        models=False,
        note=f"{_NC} {_ND}",
    ),
    Licence("apache-2.0", "Apache License 2.0", "https://www.apache.org/licenses/LICENSE-2.0"),
    Licence("mit", "MIT License", "https://opensource.org/license/mit"),
    Licence("bsd-3-clause", "BSD 3-Clause License", "https://opensource.org/license/bsd-3-clause"),
    Licence(
        "health-ai-developer-foundations",
        "Health AI Developer Foundations terms of use",
        "https://developers.google.com/health-ai-developer-foundations/terms",
        on_hub=False,
        note="Whoever gets the model is bound by these terms too: hand them on with it, and say that it was changed.",
    ),
    Licence(
        "gemma",
        "Gemma terms of use",
        "https://ai.google.dev/gemma/terms",
        note="Whoever gets the model is bound by these terms too: hand them on with it, and say that it was changed.",
    ),
    Licence(
        "qwen",
        "Qwen licence agreement",
        "https://huggingface.co/Qwen/Qwen2.5-VL-72B-Instruct/blob/main/LICENSE",
        on_hub=False,
        note="Commercial use by large services needs a licence of its own; hand the agreement on with the model.",
    ),
    Licence(
        "qwen-research",
        "Qwen research licence agreement",
        "https://huggingface.co/Qwen/Qwen2.5-VL-3B-Instruct/blob/main/LICENSE",
        on_hub=False,
        commercial=False,
        note=f"{_NC} Hand the agreement on with the model.",
    ),
    Licence(
        "data-use-agreement",
        "a data use agreement",
        on_hub=False,
        data=False,
        models=False,
        note="Only who has signed it may have the data; whether a model may be passed on is for the agreement to say.",
    ),
    Licence(
        "unknown", "unknown terms", on_hub=False, data=False, models=False, note="Nobody has said what is allowed."
    ),
)
LICENCES = {licence.id: licence for licence in ALL}
"""Every licence that can be declared, by its id."""


def _known(value: str) -> str:
    if value not in LICENCES:
        raise ValueError(f"no licence {value!r}{did_you_mean(value, LICENCES)}")
    return value


LicenceId = Annotated[str, AfterValidator(_known)]


class Terms(Section):
    """Under which terms raw data is used; they are carried to every card."""

    licence: LicenceId
    """Id such as cc-by-4.0, cc-by-nc-sa-4.0 or data-use-agreement (see docs/cards.md)."""
    attribution: Annotated[str, Field(max_length=1000)] = ""
    """Whom to name, and how, on one line."""
    url: Annotated[str, Field(pattern=r"^(https?://[^\s|()<>]+)?$")] = ""
    """Page of the data set."""
    redistributable: bool | None = None
    """You were allowed, or forbidden, to pass on what is made with it, whatever the licence says; null: as it says."""
