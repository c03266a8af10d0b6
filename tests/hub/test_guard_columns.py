"""A quick look at a column of texts misses nothing that a slow look at every line of it finds."""

from __future__ import annotations

import random

import pyarrow
import pytest

from medft_bm.core.errors import DataError
from medft_bm.hub.guard_columns import Sieve
from medft_bm.hub.guard_names import Known
from medft_bm.hub.guard_patterns import matches
from medft_bm.hub.guard_texts import plain, texts_of
from medft_bm.prepare.split import hide

SALT = "pepper"
PEOPLE = ("Jane Doe", "Jörg Bär", "KH-22941", "MuellerAnna", "P00017", "4711471", "78125", "Al7", "a1b2c3d4e5f60718")
KNOWN = Known(
    words={"scan_772": "the name of a raw file or folder", "mweber": "the name of a user of this machine"},
    paths=("/data7/clinic/raw2", "/nfs/runs"),
    subjects={hide(name, SALT) for name in PEOPLE},
    salt=SALT,
)
PIECES = (
    *PEOPLE,
    *("SCAN_772", "mweber", "/data7/clinic/raw2", "/nfs/runs7/x", "/home/jane7", "/data3/x", "~jane7/x", "DOE^JANE"),
    *("DOB", "date of birth", "19470311", "11.3.1947", "1947-03-11", "MRN", "patient id", "accession no.", "AB-1234"),
    *("1.2.826.0.1.3680043.8.498.1234", "C:\\Users\\x", "hf_abcdefghijklmnopqrst", "hf_7bcdefghijklmnopqrst"),
    *("born", "11 March 1947", "Study Date", "jane.doe7@clinic.example", "://jane:pw7@host", "SSN", "123-45-6789"),
    *("wandb key", "a1" * 20, "wandb_v1_0123456789abcdefg", "sk-proj-a1b2c3d4e5f6g7h8", "patient name", "Doe, Jane"),
    *("the", "lesion", "file://x", "q7", "é", "–", "0.78125", "12", "1.5e-07", "-3.25", "34.1", "x2"),
)
GLUE = (" ", " ", " ", ", ", '":"', '":', ",", "[", "]", "_", "-", ".", ":", "/", "(", "\xa0", "\n", "")


def looked_at(text: str) -> bool:
    """What the guard does with every line that it looks at."""
    return any([*KNOWN.found_in(line), *matches(line)] for line in plain(text).splitlines())


def made(rng: random.Random) -> str:
    return "".join(rng.choice(PIECES if n % 2 else GLUE) for n in range(rng.randint(2, 12)))


@pytest.mark.parametrize("seed", range(4))
def test_whatever_a_slow_look_finds_a_quick_one_suspects(seed):
    rng = random.Random(seed)
    texts = [made(rng) for _ in range(3000)]
    found = {plain(text) for text in texts if looked_at(text)}
    suspicious = set(Sieve(KNOWN).suspicious(pyarrow.array(texts)))
    assert len(found) > 500
    assert found - suspicious == set()


@pytest.mark.parametrize("kind", [pyarrow.string(), pyarrow.large_string()])
def test_one_text_among_thousands_is_found_and_the_others_are_not_looked_at(kind):
    rng = random.Random(0)

    def text(label: str) -> str:
        row = '{{"uid":"{:016x}","h":{},"spacing":{{"y":{},"x":0.78125}},"truth":[{:.3f},{:.9f}],"label":"{}"}}'
        numbers = (rng.getrandbits(64), rng.randrange(2000), rng.random(), rng.random() * 500, rng.random())
        return row.format(*numbers, label)

    texts = [text("left kidney, upper pole") for _ in range(5000)]
    sieve = Sieve(KNOWN)
    assert sieve.suspicious(pyarrow.array(texts, kind)) == []
    texts[4000] = text("kidney of MuellerAnna")
    texts[4500] = text("MRN: 00482913").replace('"', '\\"')
    assert sieve.suspicious(pyarrow.array(texts, kind)) == [plain(texts[4000]), plain(texts[4500])]
    assert sieve.suspicious(pyarrow.array([], kind)) == []
    assert sieve.suspicious(pyarrow.array([""], kind)) == []


def test_a_column_that_is_no_text_is_refused_with_the_name_of_its_file(tmp_path):
    broken = pyarrow.Array.from_buffers(
        pyarrow.string(), 1, [None, pyarrow.py_buffer(b"\0\0\0\0\2\0\0\0"), pyarrow.py_buffer(b"\xff\xfe")]
    )
    table = pyarrow.table({"prompt": broken})
    with pyarrow.ipc.new_stream(str(tmp_path / "data.arrow"), table.schema) as stream:
        stream.write_table(table)
    with pytest.raises(DataError, match="cannot be read"):
        list(texts_of(tmp_path / "data.arrow", "data.arrow"))


def test_numbers_are_no_names_even_where_their_digits_are_those_of_a_patient():
    assert not looked_at("One pixel is 0.78125 mm wide, 1.5e-07; 12 of 4711")
    assert looked_at("78125 is wide")
    assert looked_at("00.78125")
