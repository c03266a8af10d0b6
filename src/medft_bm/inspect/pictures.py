"""Pictures and curves as text inside a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

from PIL import Image

LOSSLESS = 128 * 1024
"""Pixels up to which a picture is stored without loss; what JPEG does to larger ones is below what is drawn."""


def data_uri(picture: Image.Image) -> str:
    """The picture as part of a page."""
    file, kind = io.BytesIO(), "png"
    if picture.width * picture.height <= LOSSLESS:
        picture.save(file, "PNG", optimize=True)
    else:
        kind = "jpeg"
        picture.save(file, "JPEG", quality=90, subsampling=0)  # full colour resolution: histology is all colour
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def area(shares: Sequence[float], top: float) -> str:
    """SVG path of a stepped outline over bins of width 1, 100 high where a share is ``top``."""
    steps = (f"V{100 - 100 * share / top:.1f}h1" for share in shares)
    return f"M0 100{''.join(steps)}V100"


def number(value: float) -> str:
    """Three digits, or all of a larger whole part."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
