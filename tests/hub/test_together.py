"""Several pushes to one repository: nothing is mixed, nothing is lost, and nothing old covers what is newer."""

from __future__ import annotations

import re
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from huggingface_hub import HfApi, constants
from tests.hub.conftest import TOKEN, files, until, write_adapter
from tests.hub.state import Fault

from medft_bm.hub.names import Repository
from medft_bm.hub.outbox import FINAL, Outbox
from medft_bm.hub.parcel import packed
from medft_bm.hub.push import push_run
from medft_bm.hub.sender import start
from medft_bm.hub.upload import push_folder

pytestmark = pytest.mark.hub

LORA = Repository("lora", "me/x", private=True)
MERGED = Repository("merged", "me/x", private=True)
NO_WAITS = (0.0,) * 5


@pytest.fixture
def api(logged_in):
    api = HfApi(token=TOKEN)
    api.create_repo("me/x", private=True)
    return api


def write_model(folder, shards, seed):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    for n in range(shards):
        (folder / f"model-{n + 1:05}-of-{shards:05}.safetensors").write_bytes(bytes([n, shards, seed]) * 9)
    return folder


def sent(hub, revision):
    tree = dict(hub.repo("me/x").tree(revision))
    del tree[".gitattributes"]
    return tree


def meeting(hub, pattern, times):
    """Let so many requests reach the Hub at the same moment."""
    barrier, left = threading.Barrier(times, timeout=30), [times]

    def before(request):
        if re.match(pattern, request) and left[0] > 0:
            left[0] -= 1
            barrier.wait()

    hub.before = before


def together(*calls):
    with ThreadPoolExecutor(len(calls)) as pool:
        return [done.result() for done in [pool.submit(call) for call in calls]]


def pushes(api, repository, folders, tags):
    return [
        lambda folder=folder, tag=tag: push_folder(
            api, folder, repository, message=folder.name, tag=tag, waits=NO_WAITS
        )
        for folder, tag in zip(folders, tags, strict=True)
    ]


def test_of_two_at_once_each_is_whole_under_its_tag_and_the_later_one_is_there(api, hub, tmp_path):
    start = write_adapter(tmp_path / "start", 0)
    folders = [write_adapter(tmp_path / f"at once {n}", n) for n in (1, 2)]
    (folders[1] / "chat_template.jinja").write_text("{{ other }}")  # the first one has this file as it is there
    for folder in (start, *folders):
        shutil.rmtree(folder / "logs")
    push_folder(api, start, LORA, message="start")
    meeting(hub, "POST .*/commit/", 2)

    done = together(*pushes(api, LORA, folders, ["one", "two"]))

    for folder, tag, pushed in zip(folders, ("one", "two"), done, strict=True):
        assert sent(hub, tag) == sent(hub, pushed.commit) == files(folder)
    repo = hub.repo("me/x")
    assert len(repo.commits) == 4, "the first one, the start and both"
    assert sum("/commit/" in request for request in hub.requests) == 4, "one was refused, and came again"
    assert repo.refs["main"] in {pushed.commit for pushed in done}
    assert repo.refs["main"] == list(repo.commits)[-1]


def test_two_merged_models_at_once_leave_no_shard_of_each_other(api, hub, tmp_path):
    folders = [write_model(tmp_path / f"of {shards}", shards, 1) for shards in (3, 2)]
    meeting(hub, "POST .*/commit/", 2)
    together(*pushes(api, MERGED, folders, ["three", "two"]))
    assert [sent(hub, tag) for tag in ("three", "two")] == [files(folder) for folder in folders]
    assert sent(hub, "main") in (sent(hub, "three"), sent(hub, "two"))


@pytest.mark.parametrize("at", ["POST .*/tag/", "DELETE .*/tag/"])
def test_two_that_move_one_tag_at_once_both_end_well(api, hub, tmp_path, at):
    folders = [write_adapter(tmp_path / f"at once {n}", n) for n in (0, 1, 2)]
    for folder in folders:
        shutil.rmtree(folder / "logs")
    push_folder(api, folders[0], LORA, message="start", tag=FINAL)
    meeting(hub, at, 2)
    done = together(*pushes(api, LORA, folders[1:], [FINAL, FINAL]))
    assert hub.repo("me/x").refs[FINAL] in {pushed.commit for pushed in done}


def test_a_tag_that_fails_is_set_later_and_covers_nothing_that_came_in_between(api, hub, tmp_path):
    folders = [write_adapter(tmp_path / name, n) for n, name in enumerate(("first", "second"))]
    for folder in folders:
        shutil.rmtree(folder / "logs")
    second = pushes(api, LORA, folders[1:], ["two"])[0]
    seen = []

    def in_between(request):
        if "/tag/" in request and not seen:
            seen.append(request)
            second()
            hub.faults = [Fault("POST .*/tag/", 503)]

    hub.before = in_between
    pushes(api, LORA, folders[:1], ["one"])[0]()
    assert sent(hub, "one") == files(folders[0])
    assert sent(hub, "main") == sent(hub, "two") == files(folders[1])


def test_shards_of_an_earlier_model_do_not_stay_behind(api, hub, tmp_path):
    for shards in (3, 2):
        model = write_model(tmp_path / f"model{shards}", shards, 0)
        (model / "pytorch_model.bin").write_text("a pickle")
        with packed("merged", model, tmp_path / "place") as parcel:
            push_folder(api, parcel.folder, MERGED, message="m")
    names = ["config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    assert sorted(sent(hub, "main")) == names


def test_everything_is_one_commit_however_many_files_it_is(api, hub, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)  # upload_folder then makes a commit per 250 files
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(300):
        (folder / f"{n}.json").write_text(str(n))
    push_folder(api, folder, LORA, message="m")
    assert sent(hub, "main") == files(folder)
    assert sum("/commit/" in request for request in hub.requests) == 1


def test_steps_the_end_of_training_and_a_push_after_it_arrive_in_their_order(api, hub, tmp_path):
    from medft_bm.hub.access import Access

    run = tmp_path / "run"
    folders = [write_adapter(run / name, n) for n, name in enumerate(("c1", "c2", "adapter"))]
    hub.faults = [Fault("POST .*/commit/", 503, 2), Fault("POST .*/preupload/", 200, slow_s=0.5)]
    box = Outbox(api, LORA, run, waits=NO_WAITS)
    for step, (folder, tag) in enumerate(zip(folders, ("step-1", "step-2", FINAL), strict=True)):
        box.send(folder, step, tag)
        until(lambda tag=tag: tag != "step-1" or any("/preupload/" in request for request in hub.requests))
    box.close(60)
    repo = hub.repo("me/x")
    assert repo.refs["main"] == repo.refs[FINAL] == list(repo.commits)[-1]
    (folders[2] / "chat_template.jinja").write_text("{{ mended }}")
    (pushed,) = push_run(Access(api, {"lora": LORA}), run, {"lora": folders[2]}, waits=NO_WAITS)
    assert repo.refs["main"] == repo.refs[FINAL] == pushed.commit
    assert sent(hub, FINAL)["chat_template.jinja"] == b"{{ mended }}"


def test_an_upload_ends_with_the_training_that_began_it_however_that_ended(api, hub, adapter):
    hub.faults = [Fault("POST .*/preupload/", 200, slow_s=3.0)]
    process = start(api, adapter, LORA, "step 1", "step-1", NO_WAITS)
    until(lambda: any("/preupload/" in request for request in hub.requests))
    process.stdin.close()  # as the system does with everything of a process that was killed
    assert process.wait(10) == 1
    assert list(hub.repo("me/x").refs) == ["main"]
    process.stdout.close()
