import threading

import pytest

from medft_bm.evaluate.team import Team


def test_launches_take_turns_in_a_folder(tmp_path, caplog):
    done, waits = [], threading.Event()

    def second():
        with Team().alone_in(tmp_path / "base"):
            done.append("second")

    def noticed(record):
        waits.set()
        return True

    later = threading.Thread(target=second)
    caplog.handler.addFilter(noticed)
    with Team().alone_in(tmp_path / "base"):
        later.start()
        assert waits.wait(30)
        done.append("first")
    later.join(30)

    assert done == ["first", "second"]
    assert "another evaluation is at work" in caplog.text


def test_a_folder_is_free_again_after_a_failure_and_others_are_never_blocked(tmp_path, caplog):
    with pytest.raises(KeyError), Team().alone_in(tmp_path / "base"):
        raise KeyError
    # Processes of one launch work in one folder together; the first one holds it for all.
    with Team(0, 2).alone_in(tmp_path / "base"), Team(1, 2).alone_in(tmp_path / "base"):
        pass
    with Team().alone_in(tmp_path / "base"), Team().alone_in(tmp_path / "tuned"):
        pass

    assert not caplog.text
