"""Texts that look like a person, a place on a machine or a secret, whoever they belong to."""

from __future__ import annotations

import re
from collections.abc import Iterator

_DATE = r"(\d{4}[-./]?\d{2}[-./]?\d{2}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4})\b"
_GAP = r"[\"'|*_\s]{0,6}(is|on|of)?[:=#|\s\"'*_]{0,6}"
_ROOTS = (
    r"home|Users|root|mnt|media|data\d*|scratch|tmp|var|work|opt|srv|gpfs|lustre|nfs|private|project|projects|storage|"
    r"workspace|dbfs|Volumes"
)
_PATTERNS = tuple(
    (hints, re.compile(pattern), what)
    for hints, pattern, what in (
        (("^",), r"[A-Za-zÀ-ÿ'-]{2,}\^[A-Za-zÀ-ÿ'-]{2,}", "looks like a name as DICOM writes it"),
        (
            ("dob", "birth", "born", "geboren"),
            r"(?i:\b(dob|date.of.birth|birth.?date|birthday|born|geboren|PatientBirthDate))\b" + _GAP + _DATE,
            "looks like a date of birth",
        ),
        (
            ("mrn", "record", "patient", "accession", "ssn", "nhs"),
            r"(?i:\b(mrn|medical.record(.number|.no)?|patient.?(id|number|no|name)|accession.?(number|no)|ssn|"
            r"nhs.(number|no)))\b\.?" + _GAP + r"([A-Z]{0,4}-?\d{4,}\b|[A-Z][a-z]+,\s?[A-Z])",
            "looks like the number or name of a patient",
        ),
        ((".",), r"\b[012](\.\d{1,39}){6,}\b", "looks like the UID of a DICOM study or image"),
        (("/",), rf"(?<![\w.:/~<-])/({_ROOTS})/[\w.~-]+", "looks like a path on a machine"),
        (("~",), r"(?<![\w/])~\w*/[\w.-]+", "looks like a path in a home folder"),
        (
            (":\\",),
            r"\b[A-Za-z]:\\{1,2}(?i:users|documents|home|data|temp|projects)\b",
            "looks like a path on a machine",
        ),
        (("file://",), r"\bfile://", "looks like a path on a machine"),
        (("hf_",), r"\bhf_[A-Za-z0-9]{16,}", "looks like a token of the Hugging Face Hub"),
        (("sk-",), r"\bsk-[A-Za-z0-9_-]{20,}", "looks like a key of an online service"),
        (
            ("wandb",),
            r"(?i:\bwandb[ _.]?(api)?[ _.]?key)\W{1,6}[0-9a-f]{40}\b",
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
