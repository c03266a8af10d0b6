"""GPUs by name: memory, and how fast they multiply in bfloat16, from the vendor's data sheets."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Gpu:
    """One model of GPU.

    Attributes:
        name: as people say it; unique in :data:`GPUS`.
        memory_gib: as sold. What a program can use is a little less.
        tflops: peak of dense matrix products in bfloat16 with float32 sums, in 10^12 operations per second; ``None``
            where the hardware has no bfloat16. Data sheets often print twice as much, which holds for sparse matrices.
        pattern: of the names that CUDA reports for it.
    """

    name: str
    memory_gib: int
    tflops: float | None
    pattern: str


# The first pattern found in a name decides: special forms stand before plain ones, L40S before L40 before L4.
GPUS: tuple[Gpu, ...] = (
    Gpu("B200", 180, 2250, r"\bB200\b"),
    Gpu("GH200", 96, 989, r"\bGH200\b"),
    Gpu("H200-NVL", 141, 835, r"\bH200 NVL\b"),
    Gpu("H200", 141, 989, r"\bH200\b"),
    Gpu("H100-NVL", 94, 835, r"\bH100 NVL\b"),
    Gpu("H100-PCIe", 80, 756, r"\bH100 PCIe\b"),
    Gpu("H100", 80, 989, r"\bH100\b"),
    Gpu("H20", 96, 148, r"\bH20\b"),
    Gpu("A100-80GB", 80, 312, r"\bA100\b.*\b80GB\b"),
    Gpu("A100-40GB", 40, 312, r"\bA100\b"),
    Gpu("A40", 48, 149.7, r"\bA40\b"),
    Gpu("A30", 24, 165, r"\bA30\b"),
    Gpu("A10G", 24, 70, r"\bA10G\b"),
    Gpu("A10", 24, 125, r"\bA10\b"),
    Gpu("L40S", 48, 362, r"\bL40S\b"),
    Gpu("L40", 48, 181, r"\bL40\b"),
    Gpu("L4", 24, 121, r"\bL4\b"),
    Gpu("RTX-6000-Ada", 48, 364.2, r"\bRTX 6000 Ada\b"),
    Gpu("RTX-A6000", 48, 154.8, r"\bRTX A6000\b"),
    Gpu("RTX-5090", 32, 209.5, r"\bRTX 5090\b(?! D| Laptop)"),
    Gpu("RTX-4090", 24, 165.2, r"\bRTX 4090\b(?! D| Laptop)"),
    Gpu("RTX-3090", 24, 71, r"\bRTX 3090\b(?! Ti)"),
    Gpu("V100-32GB", 32, None, r"\bV100\b.*\b32GB\b"),
    Gpu("V100-16GB", 16, None, r"\bV100\b"),
    Gpu("T4", 16, None, r"\bT4\b"),
)


def find_gpu(cuda_name: str) -> Gpu | None:
    """The GPU behind a name of CUDA such as ``NVIDIA H100 80GB HBM3``; ``None`` when it is not in the table."""
    words = cuda_name.replace("-", " ")
    return next((gpu for gpu in GPUS if re.search(gpu.pattern, words)), None)
