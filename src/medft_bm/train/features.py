"""Every placeholder of an image in the text has its vector from the vision tower, no more and no fewer."""

from __future__ import annotations

from typing import Any

from medft_bm.core.errors import MedftError
from medft_bm.train.rehearsal import Rehearsal, untouched


def check_features(rehearsal: Rehearsal) -> str:
    """Run vision tower and projector on a real batch, and count.

    Args:
        rehearsal: a trainer that is about to start, with a batch.

    Returns:
        One line for the report.

    Raises:
        MedftError: the numbers differ: image and text would be matched wrongly, or not at all.
    """
    model, batch = rehearsal.trainer.model, rehearsal.batch
    places = int((batch["input_ids"] == model.config.image_token_id).sum())
    vectors = sum(len(vectors) for vectors in _features(rehearsal))
    if places != vectors:
        raise MedftError(
            f"{len(batch['input_ids'])} rows hold {places} image tokens, but the vision tower makes {vectors} vectors",
            where="model.name",
            fix="processor and model do not belong together: download or save the checkpoint again",
        )
    return f"{places} image tokens and {vectors} vectors of the vision tower in {len(batch['input_ids'])} rows"


def _features(rehearsal: Rehearsal) -> Any:
    """Vectors for the language tower, ``(tokens, width)`` per image."""
    import torch

    trainer, batch = rehearsal.trainer, rehearsal.batch
    grids = {"image_grid_thw": batch["image_grid_thw"]} if "image_grid_thw" in batch else {}
    with torch.no_grad(), untouched(trainer), trainer.accelerator.autocast():
        out = trainer.model.get_image_features(pixel_values=batch["pixel_values"], **grids)
    return getattr(out, "pooler_output", out)
