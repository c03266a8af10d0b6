"""Only what works for people with plain transformers and PEFT passes, and every fault is named."""

from __future__ import annotations

import json
import pickle
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from medft_bm.core.errors import DataError, MedftError
from medft_bm.hub.gate import check_adapter, check_checkpoint, check_merged
from medft_bm.hub.gate_files import GATE, require_gate
from medft_bm.hub.gate_replies import Said, compare_replies
from medft_bm.train.merge import merge_adapter


@pytest.fixture
def merged(made, tmp_path):
    return shutil.copytree(made.merged, tmp_path / "merged")


@pytest.fixture
def lora(made, tmp_path):
    return shutil.copytree(made.adapter, tmp_path / "adapter")


def gate_merged(made, folder):
    return check_merged(made.config, folder, made.family, made.items, made.adapter)


def gate_lora(made, folder):
    return check_adapter(made.config, folder, made.family, made.items)


def change(folder: Path, wanted: str, how) -> str:
    """Change the first tensor whose name holds ``wanted``, and write the file again."""
    (path,) = folder.glob("*.safetensors")
    weights = load_file(path)
    name = next(name for name in sorted(weights) if wanted in name)
    weights[name] = how(weights[name])
    save_file(weights, path, metadata={"format": "pt"})
    return name


def test_a_merged_model_that_works_passes_and_the_record_knows_its_content(made, merged):
    report = gate_merged(made, merged)

    assert report.logits.largest < 1e-4
    assert report.replies.identical == report.replies.asked == report.processor == 2
    assert {"language q_proj", "vision q_proj"} <= {group.name for group in report.groups}
    assert report.vllm.startswith("not checked")
    assert require_gate(merged)["digest"] == report.digest
    assert [path.name for path in merged.parent.iterdir()] == ["merged"]


def test_a_model_in_bfloat16_passes_and_one_number_two_steps_off_does_not(made, tmp_path):
    base, folder = made.config.model.name, tmp_path / "merged"
    merge_adapter(base, made.adapter, folder, made.family, made.items, "bfloat16")
    report = gate_merged(made, folder)
    assert report.dtype == "bfloat16"
    assert report.replies.asked == 2

    def nudge(weight):
        weight = weight.clone()
        weight.view(-1)[weight.abs().argmax()] *= 1 + 2**-5
        return weight

    change(folder, "o_proj.weight", nudge)
    with pytest.raises(MedftError, match="language o_proj"):
        gate_merged(made, folder)


def test_an_adapter_that_works_passes_and_a_card_beside_it_changes_nothing(made, lora):
    report = gate_lora(made, lora)
    assert report.logits.largest == 0
    assert report.replies.identical == 2
    (lora / "README.md").write_text("a card")
    assert require_gate(lora)["what"] == "lora"


def test_a_model_that_changed_after_the_gate_is_refused(made, lora):
    with pytest.raises(MedftError, match="was not checked"):
        require_gate(lora)
    gate_lora(made, lora)
    change(lora, "lora_B", lambda weight: weight + 1e-3)
    with pytest.raises(MedftError, match="changed after it was checked"):
        require_gate(lora)


@pytest.mark.parametrize(
    ("tensor", "group"), [("v_proj.weight", "language v_proj"), ("mm_input_projection", "projector")]
)
def test_one_number_off_in_one_tensor_is_found_and_its_group_is_named(made, merged, tensor, group):
    def nudge(weight):
        weight = weight.clone()
        weight.view(-1)[3] += weight.abs().max() * 1e-3  # moves no logit by as much as rounding would
        return weight

    change(merged, tensor, nudge)
    with pytest.raises(MedftError, match=f"weights differ from base plus adapter in {group}"):
        gate_merged(made, merged)
    assert not (merged / GATE).exists()


def test_a_tensor_that_is_missing_or_too_many_is_named(made, merged):
    path = merged / "model.safetensors"
    weights = load_file(path)
    name = next(name for name in sorted(weights) if "k_proj" in name)
    save_file({**weights, "stranger.weight": torch.ones(2)}, path, metadata={"format": "pt"})
    with pytest.raises(MedftError, match=r"1 unexpected keys: stranger\.weight"):
        gate_merged(made, merged)
    del weights[name]
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(MedftError, match=r"1 missing keys: .*k_proj"):
        gate_merged(made, merged)


@pytest.mark.parametrize("tensor", ["missing", "stranger"])
def test_an_adapter_with_weights_missing_or_too_many_is_refused(made, lora, tensor):
    path = lora / "adapter_model.safetensors"
    weights = load_file(path)
    if tensor == "missing":
        del weights[min(weights)]
    else:
        weights["base_model.model.stranger.lora_A.weight"] = torch.ones(4, 4)
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(MedftError, match=r"missing adapter keys|unexpected keys: .*stranger"):
        gate_lora(made, lora)


def test_an_adapter_that_was_never_trained_or_holds_no_numbers_is_refused(made, lora):
    path = lora / "adapter_model.safetensors"
    weights = load_file(path)
    save_file({n: w * 0 if "lora_B" in n else w for n, w in weights.items()}, path)
    with pytest.raises(MedftError, match="changes nothing"):
        gate_lora(made, lora)
    check_checkpoint(lora)
    save_file({n: w / 0 if "q_proj.lora_B" in n else w for n, w in weights.items()}, path)
    with pytest.raises(MedftError, match=r"q_proj: .* no number"):
        check_checkpoint(lora)


@pytest.mark.parametrize("name", ["training_args.bin", "state.pt", "innocent.json"])
def test_a_pickle_is_refused_whatever_it_is_called(made, lora, name):
    (lora / name).write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(DataError, match=name):
        gate_lora(made, lora)
    with pytest.raises(DataError, match=name):
        check_checkpoint(lora)


def test_weights_that_were_cut_short_are_refused(made, merged):
    path = merged / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="damaged"):
        gate_merged(made, merged)


def test_another_chat_template_is_refused(made, lora):
    path = lora / "chat_template.jinja"
    path.write_text(path.read_text() + "\n{# mine #}")
    with pytest.raises(MedftError, match="another chat template"):
        gate_lora(made, lora)


def test_a_processor_that_sees_other_pixels_is_refused(made, lora):
    path = lora / "processor_config.json"
    facts = json.loads(path.read_text())
    facts["image_processor"]["image_mean"] = [0.4, 0.5, 0.5]
    path.write_text(json.dumps(facts))
    with pytest.raises(MedftError, match="pixel_values"):
        gate_lora(made, lora)


def test_a_model_whose_replies_never_end_is_refused(made, merged):
    path = merged / "generation_config.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, "eos_token_id": None}))
    with pytest.raises(MedftError, match="no token ends a reply"):
        gate_merged(made, merged)
    path.write_text(json.dumps({**facts, "eos_token_id": [1, 10**6]}))
    with pytest.raises(MedftError, match="token 1000000"):
        gate_merged(made, merged)


def test_replies_may_part_where_two_words_are_equally_likely_and_nowhere_else(tmp_path):
    logits = torch.tensor([[0.0, 5.0, 1.0], [4.0, 3.999, 0.0]])
    ours = [Said("one", [1, 0], logits), Said("two", [1], logits[:1])]
    tie, clear = Said("one", [1, 1], logits), Said("one", [1, 2], logits)

    found = compare_replies(ours, [tie, ours[1]], "float32", tmp_path)
    assert (found.asked, found.identical) == (2, 1)
    assert found.gap == pytest.approx(1e-3, rel=1e-2)
    with pytest.raises(MedftError, match="1 of 2 greedy replies differ"):
        compare_replies(ours, [clear, ours[1]], "float32", tmp_path)
    with pytest.raises(MedftError, match="differ"):
        compare_replies(ours, [Said("one", [1], logits[:1]), ours[1]], "bfloat16", tmp_path)


def test_a_check_needs_something_to_ask(made, lora):
    with pytest.raises(DataError, match="at least one prepared row"):
        check_adapter(made.config, lora, made.family, [])


@pytest.mark.parametrize("works", [True, False])
def test_vllm_is_asked_where_it_is_installed(made, merged, monkeypatch, tmp_path, works):
    """A stand-in for the package: what is tested is that its word counts."""
    (tmp_path / "vllm.py").write_text(
        f"def LLM(model, **options):\n    if not {works}:\n        raise ValueError('no such architecture')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    from medft_bm.hub.gate_vllm import in_vllm

    if works:
        assert in_vllm(merged) == "loads"
    else:
        with pytest.raises(MedftError, match="no such architecture"):
            in_vllm(merged)
