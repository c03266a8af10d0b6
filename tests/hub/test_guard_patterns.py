"""What looks like a person, a place or a secret is known by its form, and ordinary words are let through."""

from __future__ import annotations

import pytest

from medft_bm.hub.guard_patterns import matches

OTHERS = [
    *("王伟^小明", "DOB: Mar 11, 1947", "born 11 March 1947", "geb. 11.03.1947", '"StudyDate": "20190311"'),
    *("MRN 123-45-678", "mrn: p00017", "SSN 123-45-6789", "NHS number: 943 476 5919", "Accession: 4711471"),
    *('"AccessionNumber": "A12345678"', "Patient Name: Doe, Jane", '"PatientName": "Jane Doe"'),
    *("http://jane:secret@host/x", "/home2/jane/x", "/nethome/jane", "C:\\\\Users\\\\jane", "~/scans", "file:///scans"),
    *("sk-proj-a1b2c3d4e5f6g7h8i9j0", "ghp_abcdefghijklmnop1234", "wandb_v1_abcdefghijklmnop1234"),
    "WANDB_API_KEY=" + "0123456789" * 4,
]


@pytest.mark.parametrize("line", OTHERS)
def test_other_forms_of_names_dates_numbers_places_and_keys_are_known(line):
    assert list(matches(line))


@pytest.mark.parametrize(
    "line",
    [
        "| lesion | 0.2 (0.1 to 0.3) | 12 of 12 patients |",
        "born in 1947; 1.2.3.4; x^2 + 10^mm; version 0.1.0, 5.23.0+cu132",
        "https://github.com/some/home/tree/main/data/x and some-lab/data/model",
        '"target_modules": "(.*\\\\.)?(language_model\\\\..*\\\\.(q_proj|k_proj))"',
        "The image is 40 x 96 pixels of 0.700 x 2.500 mm. patient number of subjects 1234567890 </div>",
        "date: 2026-11-23, patients 36; GPU 00000000:00:1E.0",
        "The patient's left kidney is 34.1 mm; patient no 3 10 mm; a column patient_id of 4 words; Patient Name column",
        "T12-L1, C2/C3, BI-RADS 4a, Gleason 3+4=7, pT2N0M0, HER2 2+, 40X-100X, mAP@0.5, risk-adjusted-by-2-scores",
        "Spanhol et al., IEEE TBME 63(7):1455-1462, 2016. https://doi.org/10.1109/TBME.2015.2496264",
        "https://orcid.org/0000-0002-1825-0097; git@github.com:a/b.git",
        "sk-learn-based-classification; study date unknown; [0.677, 0.569]",
    ],
)
def test_ordinary_lines_are_let_through(line):
    assert list(matches(line)) == []
