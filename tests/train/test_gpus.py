"""GPUs are recognised by the names that CUDA gives them."""

from __future__ import annotations

import pytest

from medft_bm.train.gpus import GPUS, find_gpu


@pytest.mark.parametrize(
    ("cuda_name", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H100 PCIe", "H100-PCIe"),
        ("NVIDIA H100 NVL", "H100-NVL"),
        ("NVIDIA H200", "H200"),
        ("NVIDIA GH200 480GB", "GH200"),
        ("NVIDIA A100-SXM4-80GB", "A100-80GB"),
        ("NVIDIA A100 80GB PCIe", "A100-80GB"),
        ("NVIDIA A100-SXM4-40GB", "A100-40GB"),
        ("NVIDIA A10", "A10"),
        ("NVIDIA A10G", "A10G"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40", "L40"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA GeForce RTX 4090", "RTX-4090"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX-6000-Ada"),
        ("Tesla V100-SXM2-32GB", "V100-32GB"),
        ("Tesla V100-SXM2-16GB", "V100-16GB"),
        ("Tesla T4", "T4"),
    ],
)
def test_a_gpu_is_found_by_its_cuda_name(cuda_name, name):
    assert find_gpu(cuda_name).name == name


@pytest.mark.parametrize("unknown", ["NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA A1000", "Quadro P1000", "cpu", ""])
def test_a_gpu_that_is_not_in_the_table_is_unknown_and_never_its_neighbour(unknown):
    assert find_gpu(unknown) is None


def test_names_differ_and_hardware_without_bfloat16_has_no_peak():
    assert len({gpu.name for gpu in GPUS}) == len(GPUS)
    assert {gpu.name for gpu in GPUS if gpu.tflops is None} == {"V100-32GB", "V100-16GB", "T4"}
