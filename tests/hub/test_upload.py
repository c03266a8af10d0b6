"""Folders to repositories by the real client, through all that goes wrong on the way."""

from __future__ import annotations

import hashlib
import os
import shutil

import pytest
from huggingface_hub import HfApi, snapshot_download
from tests.hub.conftest import TOKEN, files, full_disk, write_adapter
from tests.hub.state import Fault

from medft_bm.core.errors import ConfigError, DataError, MedftError
from medft_bm.hub.faults import PassingError
from medft_bm.hub.names import Repository
from medft_bm.hub.parcel import PLACE, pack, packed
from medft_bm.hub.upload import push_folder

pytestmark = pytest.mark.hub

NO_WAITS = (0.0, 0.0, 0.0)
SENT = {"adapter_config.json", "adapter_model.safetensors", "chat_template.jinja", "tokenizer.json"}


@pytest.fixture
def api(logged_in):
    return HfApi(token=TOKEN)


@pytest.fixture
def there(api):
    api.create_repo("me/x", private=True)
    return Repository("lora", "me/x", private=True)


@pytest.fixture
def parcel(adapter, tmp_path):
    with packed("lora", adapter, tmp_path / "run" / PLACE) as made:
        yield made.folder


def test_what_is_downloaded_is_what_was_pushed_and_nothing_else(api, there, parcel, hub, tmp_path):
    pushed = push_folder(api, parcel, there, message="step 2: eval_loss 0.41", tag="step-2")
    got = snapshot_download("me/x", revision="step-2", local_dir=tmp_path / "got", token=TOKEN)
    shutil.rmtree(tmp_path / "got" / ".cache")
    found = files(tmp_path / "got")
    del found[".gitattributes"]
    assert got
    assert found == files(parcel)
    assert set(found) == SENT
    assert (pushed.files, pushed.tag, pushed.url) == (4, "step-2", f"{hub.address}/me/x")
    assert hub.repo("me/x").messages[pushed.commit] == "step 2: eval_loss 0.41"
    assert not any(b"PRIVATE" in body for body in hub.bodies)
    assert any("/lfs-part/" in request for request in hub.requests)  # in several parts, as large files are


FAULTS = {
    "cut in the middle of a part": Fault("PUT /lfs-part/.*/2", 0),
    "cut in the middle of the commit": Fault("POST .*/commit/", 0),
    "answer to the commit lost after it was made": Fault("POST .*/tag/", 0),
    "conflict with another commit": Fault("POST .*/commit/", 409),
    "commit has happened since": Fault("POST .*/commit/", 412),
    "limit of rate": Fault("POST .*/commit/", 429, headers={"Retry-After": "0"}),
    "server error, several times": Fault("POST .*/commit/", 500, times=3),
    "gateway at the storage": Fault("POST .*/objects/batch", 502),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_that_passes_costs_a_retry_and_no_byte(api, there, parcel, hub, fault):
    hub.faults = [Fault(fault.on, fault.status, fault.times, fault.headers)]
    push_folder(api, parcel, there, message="m", tag="final", waits=NO_WAITS)
    assert hub.faults[0].times == 0
    tree = hub.repo("me/x").tree("final")
    assert {name: tree[name] for name in SENT} == files(parcel)


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        (Fault("POST .*/commit/", 401, 9), ConfigError, "does not know this token, or it has expired"),
        (Fault("POST .*/commit/", 403, 9), ConfigError, "does not allow it"),
        (Fault("POST .*/preupload/", 403, 9, {"X-Error-Code": "GatedRepo"}), ConfigError, "does not allow it"),
        (Fault("POST .*/preupload/", 404, 9, {"X-Error-Code": "RepoNotFound"}), ConfigError, "it is not there"),
        (Fault("POST .*/commit/", 400, 9), MedftError, "pushing to me/x failed"),
        (Fault("POST .*/commit/", 500, 9), PassingError, "pushing to me/x failed"),
    ],
    ids=["401", "403", "gated", "removed", "400", "500 for ever"],
)
def test_what_does_not_pass_is_one_message_without_the_token(api, there, parcel, hub, fault, kind, message):
    hub.faults = [fault]
    with pytest.raises(kind, match=message) as caught:
        push_folder(api, parcel, there, message="m", waits=(0.0,))
    assert TOKEN not in str(caught.value)
    tries = 9 - fault.times
    assert tries == (2 if kind is PassingError else 1)


def test_a_second_push_goes_on_where_the_first_was_cut(api, there, parcel, hub):
    hub.faults = [Fault("POST .*/commit/", 500)]
    with pytest.raises(PassingError):
        push_folder(api, parcel, there, message="m", waits=())
    hub.requests.clear()
    push_folder(api, parcel, there, message="m", waits=())
    assert not [request for request in hub.requests if request.startswith("PUT")]


def test_pushing_the_same_again_makes_no_commit(api, there, parcel, hub):
    first = push_folder(api, parcel, there, message="m", tag="final")
    count = len(hub.repo("me/x").commits)
    assert push_folder(api, parcel, there, message="m", tag="final").commit == first.commit
    assert len(hub.repo("me/x").commits) == count


def test_a_tag_moves_to_what_is_trained_again(api, there, adapter, hub, tmp_path):
    for seed in (0, 1):
        folder = write_adapter(tmp_path / f"again{seed}", seed)
        with packed("lora", folder, tmp_path / "place") as parcel:
            push_folder(api, parcel.folder, there, message="m", tag="step-2")
    sent = (folder / "adapter_model.safetensors").read_bytes()
    assert hub.repo("me/x").tree("step-2")["adapter_model.safetensors"] == sent


def test_a_file_that_arrives_otherwise_is_found(api, there, parcel, hub):
    def spoil(request):
        if "/tree/" in request and "chat_template.jinja" in (tree := hub.repo("me/x").tree()):
            tree["chat_template.jinja"] = b"{{ something else }}"

    hub.before = spoil
    with pytest.raises(MedftError, match=r"1 file\(s\) did not arrive as they are here, such as chat_template.jinja"):
        push_folder(api, parcel, there, message="m", tag="final", waits=(0.0,))
    assert "final" not in hub.repo("me/x").refs


def test_a_parcel_outlives_the_checkpoint_and_leaves_nothing_behind(adapter, tmp_path):
    digest = hashlib.sha256((adapter / "adapter_model.safetensors").read_bytes()).hexdigest()
    with packed("lora", adapter, tmp_path / PLACE) as parcel:
        shutil.rmtree(adapter)
        held = (parcel.folder / "adapter_model.safetensors").read_bytes()
    assert hashlib.sha256(held).hexdigest() == digest
    assert not (tmp_path / PLACE).exists()


def test_writing_into_a_parcel_changes_nothing_at_its_source(adapter, tmp_path):
    def card(parcel):
        (parcel.folder / "README.md").write_text("card")
        (parcel.folder / "adapter_config.json").write_text("cleaned")

    before = files(adapter)
    with packed("lora", adapter, tmp_path / PLACE, [card]) as parcel:
        assert set(files(parcel.folder)) == {*SENT, "README.md"}
    assert files(adapter) == before


def test_a_check_that_refuses_keeps_everything_here(adapter, tmp_path):
    def refuse(parcel):
        raise MedftError("a name in it")

    with pytest.raises(MedftError, match="a name in it"), packed("lora", adapter, tmp_path / PLACE, [refuse]):
        pass
    assert not (tmp_path / PLACE).exists()


def test_a_full_disk_is_one_message_and_leaves_nothing_behind(adapter, tmp_path):
    place = tmp_path / PLACE
    with full_disk(), pytest.raises(MedftError, match="cannot be copied: File too large") as caught:
        pack("lora", adapter, place)
    assert str(place) in caught.value.where
    assert not list(place.iterdir())
    place.chmod(0o500)
    if not os.access(place, os.W_OK):  # nobody may forbid root anything
        with pytest.raises(MedftError, match="cannot be copied: Permission denied"):
            pack("lora", adapter, place)


def test_a_folder_without_an_adapter_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with (
        pytest.raises(DataError, match=r"there is no adapter_config\.json"),
        packed("lora", tmp_path / "empty", tmp_path),
    ):
        pass
