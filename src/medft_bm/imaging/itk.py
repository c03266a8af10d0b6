"""SimpleITK, loaded when a file needs it, with its exceptions as one sentence and its voxels as arrays."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.errors import DataError

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


def simpleitk() -> Any:
    """The module."""
    import SimpleITK  # half a second: only when a file needs it

    # Its warnings go to the C++ error stream, where nobody can act on them; what matters of them is checked here.
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    return SimpleITK


class _Voxels:
    """What NumPy sees of an image; an array made of it keeps it, and with it the image, alive."""

    def __init__(self, image: Any) -> None:
        self.image = image
        view = simpleitk().GetArrayViewFromImage(image)
        self.__array_interface__ = {**view.__array_interface__, "data": (view.ctypes.data, True)}


def voxels(image: Any) -> NDArray[Any]:
    """Voxels of an image indexed ``[i, j, k]``; read-only, not copied, and safe to outlive the image's last name.

    SimpleITK's own view is not: its memory is freed with the image.
    """
    return np.asarray(_Voxels(image)).T


def run(call: Any, path: Path, what: str = "volume") -> Any:
    """Call one of its methods; an exception becomes one :class:`DataError` with the last line of its text.

    Args:
        call: without arguments.
        path: the file it reads.
        what: how the message calls the file.
    """
    try:
        return call()
    except RuntimeError as error:
        lines = [line.strip(" |") for line in str(error).splitlines() if line.strip(" |")]
        why = re.sub(r"^ITK ERROR: (\w+\(0x\w+\): )?", "", lines[-1])
        raise DataError(
            f"the {what} cannot be read: {why}",
            where=str(path),
            fix="the file may be truncated or damaged: download or copy it again",
        ) from error
