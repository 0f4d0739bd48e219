"""Classes as learning systems give them: archives and folders, with what goes wrong in every class; their tables."""

import csv
import time
import zipfile

MOODLE = "{name}_{number}_assignsubmission_file_/{file}"
CANVAS = "{name}_{late}{number}_{order}_{file}"


def write_zip(path, files):
    """Write a .zip of `files` (name to content, or (content, seconds since 1970))."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            content, modified = content if isinstance(content, tuple) else (content, 1.7e9)
            info = zipfile.ZipInfo(name, time.localtime(modified)[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


def write_folder(folder, files):
    """Write `files` (name to content) below `folder`."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def moodle(name, number, file="model.h5"):
    return MOODLE.format(name=name, number=number, file=file)


def canvas(name, number, order, file="model.h5", late=False):
    return CANVAS.format(name=name, late="LATE_" * late, number=number, order=order, file=file)


def read_csv(path):
    """Return the rows of a table that the grader wrote, with or without a mark of UTF-8."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))
