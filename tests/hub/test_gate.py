"""Only what works for people with plain transformers and PEFT passes, and every fault is named."""

from __future__ import annotations

import json
import pickle
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from medft_bm.core.errors import DataError, MedftError
from medft_bm.hub.gate import check_adapter, check_checkpoint, check_merged
from medft_bm.hub.gate_files import GATE, INDEX, require_files, require_gate
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


def sharded(folder: Path) -> None:
    """The weights in two files, as large models have them."""
    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    files = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    for n, file in enumerate(files):
        save_file({name: weights[name] for name in names[n::2]}, folder / file, metadata={"format": "pt"})
    (folder / INDEX).write_text(json.dumps({"weight_map": {name: files[n % 2] for n, name in enumerate(names)}}))
    (folder / "model.safetensors").unlink()


def test_shards_are_those_of_the_index_and_no_others(merged):
    sharded(merged)
    require_files(merged)
    save_file({"x": torch.ones(3)}, merged / "model-00003-of-00003.safetensors")
    with pytest.raises(DataError, match=r"model-00003-of-00003\.safetensors is no part of the model"):
        require_files(merged)
    (merged / "model-00003-of-00003.safetensors").unlink()
    (merged / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(DataError, match=r"model-00002-of-00002\.safetensors is in the index and not here"):
        require_files(merged)
    (merged / INDEX).write_text("{}")
    with pytest.raises(DataError, match="index of the weights is damaged"):
        require_files(merged)


@pytest.mark.parametrize("name", ["processor_config.json", "tokenizer_config.json", "tokenizer.json", "config.json"])
@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_a_file_that_is_missing_or_damaged_is_named(made, merged, name, how):
    if how == "missing":
        (merged / name).unlink()
    else:
        (merged / name).write_text("{")
    with pytest.raises(MedftError, match=re.escape(name)) as refused:
        gate_merged(made, merged)
    assert refused.value.fix


def test_a_config_that_names_code_is_refused(merged):
    path = merged / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "auto_map": {"AutoModel": "some/repo--modeling.Mine"}}))
    with pytest.raises(DataError, match=r"config\.json names code"):
        require_files(merged)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_weights_in_another_dtype_than_the_config_speaks_of_are_refused(made, merged, kind):
    path = merged / "model.safetensors"
    save_file({name: weight.to(kind) for name, weight in load_file(path).items()}, path, metadata={"format": "pt"})
    with pytest.raises(MedftError, match=f"stored in {str(kind)[6:]}, and the model is to be loaded in float32"):
        gate_merged(made, merged)


def test_a_tensor_of_another_shape_is_named(made, merged):
    change(merged, "embed_tokens", lambda weight: weight[:-8].clone())
    with pytest.raises(MedftError, match="embed_tokens"):
        gate_merged(made, merged)


def test_an_adapter_of_another_base_is_refused(made, lora):
    path = lora / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "base_model_name_or_path": "google/gemma-3-4b-it"}))
    with pytest.raises(MedftError, match="trained on google/gemma-3-4b-it, and the base is"):
        gate_lora(made, lora)


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


@pytest.mark.parametrize("why", ["", "no such architecture", "CUDA out of memory", "Failed to infer device type"])
def test_vllm_is_asked_where_it_is_installed(merged, monkeypatch, tmp_path, why):
    """A stand-in for the package: what is tested is that its word counts, but not what it says of the machine."""
    fails = f"    raise ValueError('{why}')\n" if why else "    pass\n"
    (tmp_path / "vllm.py").write_text(f"def LLM(model, **options):\n{fails}")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    from medft_bm.hub.gate_vllm import in_vllm

    if not why:
        assert in_vllm(merged) == "loads"
    elif "architecture" not in why:
        assert in_vllm(merged) == f"not checked: ValueError: {why}"
    else:
        with pytest.raises(MedftError, match="no such architecture"):
            in_vllm(merged)
