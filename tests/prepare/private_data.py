"""Raw data of every kind with names of patients wherever its files can hold them."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK
from PIL import Image, PngImagePlugin
from tests.sources.medvision_plans import box_slices, case_of, stored, task_of, write_plan

SUBJECTS = 5
BIRTH, STUDY = "19470311", "20031127"


class Planted:
    """Identifiers, each in one kind of place only, so that a leak says where it came from."""

    def __init__(self) -> None:
        self.all: list[str] = [BIRTH, STUDY]

    def __call__(self, place: str, number: int = 0) -> str:
        text = f"Zq{place}Doe"
        if text not in self.all:
            self.all.append(text)
        return f"{text}{number}"


def volume(rng: np.random.Generator) -> tuple[SimpleITK.Image, SimpleITK.Image]:
    """Noise in which a box is marked, and the mask."""
    grey = rng.integers(-500, 500, (4, 24, 20)).astype(np.int16)
    mask = np.zeros(grey.shape, np.uint8)
    mask[1:3, 5 : 12 + rng.integers(4), 4:11] = 1
    images = SimpleITK.GetImageFromArray(grey), SimpleITK.GetImageFromArray(mask)
    for image in images:
        image.SetSpacing((0.7, 1.1, 3.0))
    return images


def write_dicom(root: Path, planted: Planted, rng: np.random.Generator) -> None:
    """Series in folders called after patients, with masks beside them."""
    for n in range(SUBJECTS):
        folder = root / planted("DicomFolder", n)
        (folder / "series").mkdir(parents=True)
        image, mask = volume(rng)
        SimpleITK.WriteImage(mask, str(folder / "mask.nii.gz"))
        tags = {
            "0008|0060": "CT", "0020|000e": f"1.2.826.0.1.{n + 1}", "0020|000d": f"1.2.826.0.2.{n + 1}",
            "0020|0037": "1\\0\\0\\0\\1\\0", "0010|0010": f"{planted('PatientName')}^Jane",
            "0010|0020": planted("Id", n),
            "0010|0030": BIRTH, "0008|0020": STUDY, "0008|0050": planted("Acc"), "0008|0080": planted("Institution"),
            "0008|0090": planted("Physician"), "0010|4000": planted("Comment"),
        }  # fmt: skip
        for k in range(image.GetDepth()):
            one = image[:, :, k]
            for tag, value in {**tags, "0020|0032": f"0\\0\\{3 * k}", "0020|0013": str(k)}.items():
                one.SetMetaData(tag, value)
            writer = SimpleITK.ImageFileWriter()
            writer.KeepOriginalImageUIDOn()
            writer.SetFileName(str(folder / "series" / f"{planted('DicomFile')}{k}.dcm"))
            writer.Execute(one)


def write_nifti(root: Path, planted: Planted, rng: np.random.Generator) -> None:
    """Names in every text field of the header, in an extension, and in the names of the files."""
    root.mkdir()
    for n in range(SUBJECTS):
        image, mask = volume(rng)
        path = root / f"{planted('NiftiFile', n)}_image.nii"
        SimpleITK.WriteImage(image, str(path))
        SimpleITK.WriteImage(mask, str(path.with_name(f"{planted('NiftiFile', n)}_mask.nii")))
        raw = bytearray(path.read_bytes())
        texts = {14: "DbName", 148: "Descrip", 228: "AuxFile", 328: "Intent"}
        for offset, place in texts.items():
            text = planted(place).encode()
            raw[offset : offset + len(text)] = text
        comment = planted("Extension").encode().ljust(40, b"\0")
        struct.pack_into("<f", raw, 108, 352.0 + 48)
        raw[348] = 1
        raw[352:352] = struct.pack("<2i", 48, 6) + comment
        (root / f"{path.name}.gz").write_bytes(gzip.compress(bytes(raw)))
        path.unlink()


def write_nrrd(root: Path, planted: Planted, rng: np.random.Generator) -> None:
    """Names in the pairs of key and value that NRRD allows."""
    root.mkdir()
    for n in range(SUBJECTS):
        image, mask = volume(rng)
        image.SetMetaData("patient", planted("NrrdValue"))
        SimpleITK.WriteImage(image, str(root / f"{planted('NrrdFile', n)}_image.nrrd"))
        SimpleITK.WriteImage(mask, str(root / f"{planted('NrrdFile', n)}_mask.nrrd"))


def write_pictures(root: Path, planted: Planted, rng: np.random.Generator) -> None:
    """PNG and JPEG with names in their metadata, listed in a table with the patients."""
    root.mkdir()
    lines = ["image,label,patient,note"]
    for n in range(2 * SUBJECTS):
        picture = Image.fromarray(rng.integers(0, 256, (21, 32, 3), np.uint8))
        text = PngImagePlugin.PngInfo()
        text.add_text("Patient", planted("PngText"))
        exif = picture.getexif()
        exif[0x013B] = planted("Exif")  # Artist
        name = f"{planted('PictureFile', n)}.{('png', 'jpg')[n // SUBJECTS]}"
        picture.save(root / name, exif=exif, **({"pnginfo": text} if n < SUBJECTS else {"comment": planted("Jpeg")}))
        lines.append(f"{name},{('benign', 'malignant')[n % 2]},{planted('CsvPatient', n // 2)},{planted('CsvNote')}")
    (root / "list.csv").write_text("\n".join(lines) + "\n")


def write_landmarks(root: Path, planted: Planted, rng: np.random.Generator) -> None:
    """Pictures with points in a list that names the patients."""
    root.mkdir()
    listed = []
    for n in range(SUBJECTS):
        name = f"{planted('LandmarkFile', n)}.png"
        Image.fromarray(rng.integers(0, 256, (30, 40), np.uint8)).save(root / name)
        points = {"left": [3 + n, 4], "right": [20, 25]}
        patient, note = planted("LandmarkPatient", n), planted("LandmarkNote")
        listed.append({"image": name, "points": points, "mm": [0.2, 0.3], "patient": patient, "note": note})
    (root / "list.json").write_text(json.dumps(listed))


def write_medvision(root: Path, planted: Planted, rng: np.random.Generator) -> None:
    """A plan whose cases are called after patients."""
    folder = root / "Toy"
    for name in ("Images", "Masks"):
        (folder / name).mkdir(parents=True)
    cases = []
    for n in range(SUBJECTS):
        image, mask = volume(rng)
        name = f"{planted('PlanFile', n)}.nii.gz"
        SimpleITK.WriteImage(image, str(folder / "Images" / name))
        SimpleITK.WriteImage(mask, str(folder / "Masks" / name))
        case = case_of(folder, f"Images/{name}", f"Masks/{name}", case_ID=planted("CaseId", n))
        labels, _ = stored(folder / "Masks" / name)
        cases.append(case | box_slices(labels, case["image_file_info"]["voxel_size"]))
    write_plan(folder, "detection", "1.0.0", [task_of(cases[:-1], cases[-1:], labels_map={"1": "mass"})])


def regions(name: str, images: str, masks: str) -> dict:
    options = {"images": images, "masks": masks, "labels": {1: "mass"}, "subject": "(Zq\\w+?Doe\\d+)"}
    return {"name": name, "root": name, "task": "detection", "source": "nifti_masks", "source_options": options}


MIX = [
    regions("dicom", "*/series", "{folder}/mask.nii.gz"),
    regions("nifti", "*_image.nii.gz", "{prefix}_mask.nii"),
    regions("nrrd", "*_image.nrrd", "{prefix}_mask.nrrd"),
    {
        "name": "pictures",
        "root": "pictures",
        "task": "classification",
        "source": "image_folder",
        "source_options": {"table": "list.csv", "subject_column": "patient"},
    },
    {
        "name": "points",
        "root": "points",
        "task": "angle_distance",
        "source": "landmarks",
        "source_options": {
            "file": "list.json",
            "pixel_size_field": "mm",
            "subject_field": "patient",
            "distances": [["left", "right"]],
        },
    },
    {
        "name": "plans",
        "root": "plans",
        "task": "detection",
        "source": "medvision",
        "source_options": {"version": "1.0.0", "tasks": "Toy_BoxSize_Task01_Axial"},
    },
]
WRITERS: dict[str, Callable[[Path, Planted, np.random.Generator], None]] = {
    "dicom": write_dicom,
    "nifti": write_nifti,
    "nrrd": write_nrrd,
    "pictures": write_pictures,
    "points": write_landmarks,
    "plans": write_medvision,
}
