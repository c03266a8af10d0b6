"""A merged model says what the adapter on its base said, or it is not written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from medft_bm.core.errors import ConfigError, DataError, MedftError
from medft_bm.models import load_model_family
from medft_bm.models.loading import with_adapter
from medft_bm.models.tiny import build_tiny
from medft_bm.train import merge
from medft_bm.train.fold import fold
from medft_bm.train.merge import merge_adapter
from medft_bm.train.parity import Parity, compare


@pytest.fixture
def probes(prepared):
    return prepared.items("validation")


def test_a_merge_in_float32_is_exact_and_reloads(checkpoint, adapter, family, probes, tmp_path):
    out = tmp_path / "merged"

    report = merge_adapter(str(checkpoint), adapter, out, family, probes, "float32")

    assert report.effect > 1e-3
    assert report.kept == pytest.approx(1, abs=1e-3)
    assert report.merged.largest < 1e-4
    assert report.merged.agreement == 1.0
    assert report.reloaded.largest == 0.0
    assert load_model_family(str(out)) == family
    assert {"chat_template.jinja", "generation_config.json", "merge_report.json", "tokenizer.json"} <= {
        path.name for path in out.iterdir()
    }
    assert not (out / "adapter_config.json").exists()
    assert (out / "tokenizer.json").read_bytes() == (checkpoint / "tokenizer.json").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["merged"]


def test_a_merge_into_bfloat16_rounds_and_says_by_how_much(checkpoint, adapter, family, probes, tmp_path):
    report = merge_adapter(str(checkpoint), adapter, tmp_path / "merged", family, probes, "bfloat16")

    assert 0 < report.merged.largest < 0.1
    assert report.kept == pytest.approx(1, abs=0.1)
    assert report.reloaded.largest == 0.0
    assert json.loads((tmp_path / "merged" / "config.json").read_text())["dtype"] == "bfloat16"
    assert json.loads((tmp_path / "merged" / "merge_report.json").read_text())["dtype"] == "bfloat16"


def test_the_merged_model_has_the_base_s_weights_by_name_and_other_values(
    checkpoint, adapter, family, probes, tmp_path
):
    from safetensors.torch import load_file

    merge_adapter(str(checkpoint), adapter, tmp_path / "merged", family, probes, "float32")
    base, merged = (load_file(folder / "model.safetensors") for folder in (checkpoint, tmp_path / "merged"))
    assert base.keys() == merged.keys()
    changed = {name for name in base if not torch.equal(base[name], merged[name])}
    assert changed
    assert all("proj" in name and "vision" not in name and "visual" not in name for name in changed)


def test_an_adapter_of_another_base_is_refused_and_nothing_is_written(adapter, family, probes, tmp_path):
    other = tmp_path / "other"
    build_tiny(family.name, other, ["a"], seed=1, hidden=32, layers=(1, 2))
    with pytest.raises(ConfigError, match="does not fit"):
        merge_adapter(str(other), adapter, tmp_path / "merged", family, probes, "float32")
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_an_adapter_with_weights_missing_is_refused(checkpoint, adapter, family, probes, tmp_path):
    from safetensors.torch import load_file, save_file

    broken = shutil.copytree(adapter, tmp_path / "broken")
    weights = load_file(broken / "adapter_model.safetensors")
    kept = dict(list(weights.items())[: len(weights) // 2])
    save_file(kept, broken / "adapter_model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match="missing adapter keys"):
        merge_adapter(str(checkpoint), broken, tmp_path / "merged", family, probes, "float32")


def test_an_earlier_merge_stays_when_a_new_one_fails(checkpoint, adapter, family, probes, tmp_path):
    out = tmp_path / "merged"
    merge_adapter(str(checkpoint), adapter, out, family, probes, "float32")
    before = (out / "model.safetensors").read_bytes()
    with pytest.raises(ConfigError):
        merge_adapter(str(checkpoint), tmp_path / "no adapter", out, family, probes, "float32")
    assert (out / "model.safetensors").read_bytes() == before


def altered(adapter, folder, change):
    """A copy of the adapter with every weight changed."""
    from safetensors.torch import load_file, save_file

    copy = shutil.copytree(adapter, folder)
    weights = {name: change(name, weight) for name, weight in load_file(copy / "adapter_model.safetensors").items()}
    save_file(weights, copy / "adapter_model.safetensors", metadata={"format": "pt"})
    return copy


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("strength", [1.0, 0.1], ids=["strong", "weak"])
@pytest.mark.parametrize("times", [0, 2], ids=["lost", "twice"])
def test_an_adapter_that_is_lost_or_added_twice_is_noticed_however_little_it_does(
    checkpoint, adapter, family, probes, tmp_path, monkeypatch, strength, times, dtype
):
    from peft.tuners.lora.layer import Linear

    weak = altered(adapter, tmp_path / "weak", lambda name, weight: weight * (strength if "lora_B" in name else 1))
    once = Linear.get_delta_weight
    monkeypatch.setattr(Linear, "get_delta_weight", lambda self, name: once(self, name) * times)
    with pytest.raises(MedftError, match=r"does not say the same|times what the adapter does"):
        merge_adapter(str(checkpoint), weak, tmp_path / "merged", family, probes, dtype)
    assert not (tmp_path / "merged").exists()


def test_sums_are_made_in_float32_and_rounded_once(checkpoint, adapter, family, probes, tmp_path):
    from safetensors.torch import load_file

    merge_adapter(str(checkpoint), adapter, tmp_path / "merged", family, probes, "bfloat16")
    exact = family.load(str(checkpoint), revision=None, dtype="bfloat16", attention="sdpa")
    exact.model.float()
    model = with_adapter(exact, adapter).model.merge_and_unload()
    rounded = family.load(str(tmp_path / "merged"), revision=None, dtype="bfloat16", attention="sdpa").model
    for (name, wanted), weight in zip(model.named_parameters(), rounded.parameters(), strict=True):
        assert torch.equal(wanted.to(torch.bfloat16), weight), name
    saved = load_file(tmp_path / "merged" / "model.safetensors")
    assert {weight.dtype for weight in saved.values()} == {torch.bfloat16}


def test_weights_that_change_are_mapped_to_files_and_the_rest_to_the_checkpoint(checkpoint, adapter, family, tmp_path):
    loaded = with_adapter(family.load(str(checkpoint), revision=None, dtype="float32", attention="sdpa"), adapter)
    model = fold(loaded.model, tmp_path, adapter)
    changed = list(tmp_path.iterdir())
    assert changed
    held = Path("/proc/self/maps").read_text()
    assert all(str(file) in held for file in changed)
    assert str(checkpoint / "model.safetensors") in held
    sizes = {file.stat().st_size for file in changed}
    assert sizes <= {weight.numel() * 4 for weight in model.parameters()}


def test_without_a_dtype_the_merged_model_is_stored_as_its_base(checkpoint, adapter, family, probes, tmp_path):
    assert merge_adapter(str(checkpoint), adapter, tmp_path / "merged", family, probes).dtype == "float32"


def test_a_quantised_base_is_refused(checkpoint, adapter, family, probes, tmp_path):
    quantised = shutil.copytree(checkpoint, tmp_path / "quantised")
    config = json.loads((quantised / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    (quantised / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="stored quantised"):
        merge_adapter(str(quantised), adapter, tmp_path / "merged", family, probes)


def test_an_adapter_of_no_numbers_is_refused(checkpoint, adapter, family, probes, tmp_path):
    broken = altered(adapter, tmp_path / "broken", lambda name, weight: weight * float("nan"))
    with pytest.raises(MedftError, match="the merge failed: NaN"):
        merge_adapter(str(checkpoint), broken, tmp_path / "merged", family, probes, "float32")


def spoil_a_weight(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if "layers.0.self_attn.q_proj.weight" in name)
    weights[name] = -weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def spoil_the_template(folder):
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text() + "Be brief.")


@pytest.mark.parametrize("spoil", [spoil_a_weight, spoil_the_template])
def test_a_model_that_reads_back_differently_is_refused(
    checkpoint, adapter, family, probes, tmp_path, monkeypatch, spoil
):
    save = merge._save

    def careless(loaded, folder):
        save(loaded, folder)
        spoil(folder)

    monkeypatch.setattr(merge, "_save", careless)
    with pytest.raises(MedftError, match="the model read back from disk does not say the same"):
        merge_adapter(str(checkpoint), adapter, tmp_path / "merged", family, probes, "float32")
    assert [path.name for path in tmp_path.iterdir()] == []


def test_no_probe_is_no_proof(checkpoint, adapter, family, tmp_path):
    with pytest.raises(DataError, match="at least one"):
        merge_adapter(str(checkpoint), adapter, tmp_path / "merged", family, [], "float32")


@pytest.mark.parametrize(
    ("dtype", "change", "fine"),
    [("float32", 5e-3, True), ("float32", 2e-2, False), ("bfloat16", 0.5, True), ("bfloat16", 2.0, False)],
)
def test_the_tolerance_grows_with_the_logits_and_follows_the_dtype(tmp_path, dtype, change, fine):
    reference = torch.linspace(-10, 10, 21).repeat(4, 1)
    other = reference.clone()
    other[2, 3] += change
    parity = compare(reference, other)
    assert parity.scale == 10
    if fine:
        assert parity.required(dtype, "it", tmp_path) is parity
    else:
        with pytest.raises(MedftError, match="does not say the same"):
            parity.required(dtype, "it", tmp_path)


def test_a_logit_that_is_no_number_is_never_within_tolerance(tmp_path):
    with pytest.raises(MedftError):
        Parity(float("nan"), 1.0, 1.0, 5).required("bfloat16", "it", tmp_path)


def test_another_likeliest_token_is_a_disagreement():
    reference = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert compare(reference, reference.flip(1)).agreement == 0
