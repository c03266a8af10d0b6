"""Texts that look like a person, a place on a machine or a secret, whoever they belong to."""

from __future__ import annotations

import re
from collections.abc import Iterator

_MONTH = r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DATE = (
    r"(\d{4}[-./]?\d{2}[-./]?\d{2}\b|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b|"
    rf"\d+\.?[ -]{_MONTH}\.?,?[ -]\d{{2,}}|{_MONTH}\.? \d+,? \d{{2,}})"
)
_GAP = r"[\"'|*_\s]{0,6}(is|on|of)?[:=#|\s\"'*_]{0,6}"
_NUMBER = r"([A-Za-z]{0,4}-?\d{4,}\b|\d{2,8}([ -]\d{2,8}){2,}\b)"
_NAME = r"[A-Z][\w'-]+(,\s?|\s)[A-Z]"
_LETTERS = r"([^\W\d_]|['-]){2,}"
_ROOTS = (
    r"home\d*|[Uu]sers|root|mnt|media|data\d*|scratch|tmp|var|work|opt|srv|gpfs|lustre|beegfs|nfs|nethome|export|"
    r"cluster|private|project|projects|storage|workspace|dbfs|Volumes"
)
_PATTERNS = tuple(
    (hints, re.compile(pattern), what)
    for hints, pattern, what in (
        (("^",), rf"{_LETTERS}\^{_LETTERS}", "looks like a name as DICOM writes it"),
        (
            ("dob", "birth", "born", "geb", "naissance", "nacimiento"),
            r"(?i:\b(dob|date.of.birth|birth.?date|birthday|born|geboren|geb|Geburtsdatum|date.de.naissance|"
            rf"fecha.de.nacimiento|PatientBirthDate)\b)\.?{_GAP}{_DATE}",
            "looks like a date of birth",
        ),
        (
            ("date",),  # with a patient's hash beside it, a day is enough for whoever has the calendar
            r"(?i:\b(study|series|acquisition|content|scan|exam|examination|admission|discharge)[ _]?date\b)"
            rf"{_GAP}{_DATE}",
            "looks like the date of an examination",
        ),
        (
            ("mrn", "record", "patient", "accession", "ssn", "nhs"),
            r"(?i:\b(mrn|medical.record(.number|.no)?|patient.?(id|number|no)|accession(.?(number|no))?|ssn|"
            rf"nhs.(number|no)))\b\.?{_GAP}{_NUMBER}",
            "looks like the number of a patient or of an examination",
        ),
        (("patient",), rf"(?i:\bpatient'?s?.?name)\b{_GAP}{_NAME}", "looks like the name of a patient"),
        ((".",), r"\b[012](\.\d{1,39}){6,}\b", "looks like the UID of a DICOM study or image"),
        (("@",), r"(?<![\w.+/-])(?!git@)[\w.+-]+@[\w-]+(\.[\w-]+)*\.[A-Za-z]{2,}\b", "looks like an e-mail address"),
        (("@",), r"://[^\s/:@\"]+:[^\s/@\"]+@", "looks like a password in an address"),
        (("/",), rf"(?<![\w.:/~<-])/({_ROOTS})/[\w.~-]+", "looks like a path on a machine"),
        (("~",), r"(?<![\w/])~\w*/[\w.-]+", "looks like a path in a home folder"),
        (
            (":\\",),
            r"\b[A-Za-z]:\\{1,2}(?i:users|documents|home|data|temp|projects)\b",
            "looks like a path on a machine",
        ),
        (("file://",), r"\bfile://", "looks like a path on a machine"),
        (("hf_",), r"\bhf_[A-Za-z0-9]{16,}", "looks like a token of the Hugging Face Hub"),
        (
            ("sk-", "ghp_", "github_pat_", "glpat-", "akia", "aiza"),
            r"\b(sk-|ghp_|github_pat_|glpat-|AKIA|AIza)(?=[\w-]*\d)[\w-]{16,}",
            "looks like a key of an online service",
        ),
        (
            ("wandb",),
            r"(?i:\bwandb[ _.]?(api)?[ _.]?key)\W{1,6}[0-9a-f]{8,}\b|\bwandb_v\d_\w{16,}",
            "looks like a key of Weights & Biases",
        ),
    )
)
"""What a line must hold, in lower case, to be worth a search; the search; and what was found."""
FIX = "remove it where it comes from, which may be a label, a name of a part or an option"


def matches(line: str) -> Iterator[tuple[str, str]]:
    """What a line looks as if it held, and what to do about it."""
    lower = line.lower()
    for hints, pattern, what in _PATTERNS:
        if any(hint in lower for hint in hints) and pattern.search(line):
            yield what, FIX
