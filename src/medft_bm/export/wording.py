"""What the README of every export says."""

from __future__ import annotations

import textwrap

from medft_bm.export.draft import Draft

TEXT = """# {title}

{demo}Written by `medft export --format {format}` from questions about medical images that were prepared for {model}.

| file | rows |
|---|---|
{files}

`images/` holds {images} PNG files, each distinct picture once. Patients have no name here, but the pictures are theirs:
the licences and terms of use of the original images hold for this folder too.

{body}

## Millimetres hold for one image size only

{seen}
"""

SEEN = "Every prompt states the pixel size of the image *the model sees*."
WIDTH = 120
"""Characters in a line."""


def readme(draft: Draft, title: str, body: str, seen: str) -> str:
    """The page.

    Args:
        draft: with all rows written.
        title: first line.
        body: how to use it.
        seen: how the reader is made to show images as the prompts say.
    """
    return TEXT.format(
        title=title,
        demo="**DEMO data: phantoms, without medical value.**\n\n" if draft.export.config.demo else "",
        format=draft.format.name,
        model=f"`{draft.export.config.model.name}`",
        files="\n".join(f"| `{name}` | {count} |" for name, count in draft.rows.items()),
        images=int(draft.pictures.written.sum()),
        body=body.strip(),
        seen=textwrap.fill(f"{SEEN} {rule(draft)} {' '.join(seen.split())}", WIDTH, break_on_hyphens=False),
    )


def rule(draft: Draft) -> str:
    """One sentence on how the family resizes images."""
    cells, size = draft.export.cells, getattr(draft.export.family, "size", None)
    if cells is not None:
        return (
            f"Here that is an image whose sides are multiples of {cells.side} px and whose area lies between "
            f"{cells.min_pixels} and {cells.max_pixels} pixels."
        )
    if size is not None:
        return f"Here that is {size.h} x {size.w} pixels, whatever the picture."
    return "Here that is what the image processor of the model makes of a picture."


def window(draft: Draft) -> int:
    """Tokens that are enough for every row, in round numbers: image, text, and what a chat template adds."""
    return -(-(draft.extent.tokens + 64) // 256) * 256
