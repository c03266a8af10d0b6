"""What a user may set about the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from medft_bm.config.fields import FilePath, Section


def _no_token(value: Path | None) -> Path | None:
    if value is not None and value.name.startswith("hf_") and not value.exists():
        raise ValueError("this looks like a token; write it into a file that only you may read, and name the file")
    return value


class Hub(Section):
    """What is sent to the Hugging Face Hub, and where to; nothing, unless asked for."""

    push_lora: bool = False
    """Send the adapter after every save, while training goes on, and at the end."""
    push_merged: bool = False
    """Send the merged model, or the whole model after train.method full; `medft push` does."""
    push_data: bool = False
    """Send the prepared dataset, images of patients included; `medft push` does."""
    lora_repo: str | None = None
    """Repository of the adapter, account/name; null: the account of the token and the name of run.folder."""
    merged_repo: str | None = None
    """Repository of the merged model; null: as for the adapter, with -merged at its end."""
    data_repo: str | None = None
    """Repository of the prepared dataset; null: as for the adapter, with -data at its end."""
    base_model: Annotated[str, Field(pattern=r"^\w[\w.-]*/\w[\w.-]*$")] | None = None
    """Hub id of the base model for cards and adapters, when model.name is a folder that is a copy of it."""
    private: bool = True
    """Create repositories that only the account can see; one that is public already is then refused."""
    token_file: Annotated[FilePath | None, AfterValidator(_no_token)] = None
    """File or descriptor (/dev/fd/3) that holds the token; null: HF_TOKEN, or what `hf auth login` stored."""
