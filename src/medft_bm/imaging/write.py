"""Write the few formats that phantoms and tests need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.volume import VolumeGeometry

_LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0])


def write_volume(path: Path, array: NDArray[Any], geometry: VolumeGeometry) -> None:
    """Write a volume in the format of the file's suffix.

    Args:
        path: ``.nii.gz``, ``.nii``, ``.nrrd``, ``.mha`` …
        array: voxels indexed ``[i, j, k]``.
        geometry: where they are, in RAS millimetres.
    """
    import SimpleITK  # half a second: only when a file is written

    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(array.T))
    affine = geometry.ras_from_ijk
    spacing = np.array(geometry.spacing_ijk)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((_LPS_FROM_RAS @ (affine[:3, :3] / spacing)).ravel().tolist())
    image.SetOrigin((_LPS_FROM_RAS @ affine[:3, 3]).tolist())
    SimpleITK.WriteImage(image, str(path), useCompression=path.suffix == ".gz")
