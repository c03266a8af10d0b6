"""The processor, chat template and generation settings that go with the weights: are they the base's, and whole?"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medft_bm.core.errors import MedftError
from medft_bm.models.base import Loaded
from medft_bm.models.chat import encode_prompts, prompt_messages
from medft_bm.models.loading import save_processor

if TYPE_CHECKING:
    from medft_bm.prepare.dataset import Item

FIX = "nothing was sent; make the folder again with `medft train` or `medft merge`"


def require_same_processor(reference: Any, folder: Path, items: Sequence[Item]) -> int:
    """Whether the folder's processor does what the one that trained does, and still does after another saving.

    Args:
        reference: processor of the base, under the run's budget of pixels.
        folder: of the model or adapter.
        items: rows whose prompts and images are encoded.

    Returns:
        How many prompts were compared.

    Raises:
        MedftError: it does not load, or chat template, tokens or pixels differ.
    """
    with tempfile.TemporaryDirectory() as whole, tempfile.TemporaryDirectory() as again:
        save_processor(reference, Path(whole))
        missing = sorted({path.name for path in Path(whole).iterdir()} - {path.name for path in folder.iterdir()})
        hint = f" ({', '.join(missing)} is not there)" if missing else ""
        found = _loaded(folder, hint)
        save_processor(found, Path(again))
        saved = _loaded(Path(again), hint)
    for what, other in (("the folder's processor", found), ("that processor, saved and loaded again,", saved)):
        if str(other.chat_template) != str(reference.chat_template):
            raise MedftError(f"{what} has another chat template than the base{hint}", where=str(folder), fix=FIX)
        for item in items:
            _require_same(_encoded(reference, item), _encoded(other, item), f"{what}{hint}", item, folder)
    return len(items)


def require_generation(folder: Path, loaded: Loaded) -> None:
    """Whether every token has a row of the embedding, and a reply can end.

    Args:
        folder: whose ``generation_config.json`` is looked at.
        loaded: model and processor.

    Raises:
        MedftError: they do not fit together.
    """
    rows = loaded.model.get_input_embeddings().weight.shape[0]
    tokenizer = loaded.processor.tokenizer
    highest = max(tokenizer.get_vocab().values())
    if highest >= rows:
        what = f"the tokenizer knows tokens up to {highest}, and the embedding has {rows} rows"
        raise MedftError(what, where=str(folder), fix=FIX)
    ends = _ends(folder)
    wrong = [end for end in ends if not 0 <= end < rows]
    if wrong or not ends:
        what = f"token {wrong[0]}, which ends a reply, does not exist" if wrong else "no token ends a reply"
        raise MedftError(what, where=str(folder / "generation_config.json"), fix=FIX)


def _ends(folder: Path) -> list[int]:
    path = folder / "generation_config.json"
    try:
        ends = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id")
    except (OSError, ValueError, AttributeError) as error:
        raise MedftError(f"the generation settings cannot be read: {error}", where=str(path), fix=FIX) from error
    return ends if isinstance(ends, list) else [] if ends is None else [ends]


def _loaded(folder: Path, hint: str) -> Any:
    from transformers import AutoProcessor

    try:
        return AutoProcessor.from_pretrained(folder)
    except Exception as error:  # a damaged file comes out of tokenizers as anything
        what = f"plain transformers cannot load the processor{hint}: {' '.join(str(error).split())[:300]}"
        raise MedftError(what, where=str(folder), fix=FIX) from error


def _encoded(processor: Any, item: Item) -> Any:
    return encode_prompts(processor, [prompt_messages(item.prompt_text)], [item.image])


def _require_same(wanted: Any, found: Any, what: str, item: Item, folder: Path) -> None:
    import torch

    for name in sorted({*wanted, *found}):
        if name not in wanted or name not in found or not torch.equal(wanted[name], found[name]):
            raise MedftError(f"{what} makes other {name}", where=f"{folder}, sample {item.uid}", fix=FIX)
