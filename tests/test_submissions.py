"""What counts as a hand-in in a folder of a class, and what is told of the rest."""

import pytest

from denoise_utils.grading import submissions
from tests import handins


def test_folder_names_stand_for_their_only_file_and_other_files_are_left_out(tmp_path):
    handins.inside(handins.write(b"x"))(tmp_path / "ada")
    handins.inside()(tmp_path / "__MACOSX")
    for name in ("list.csv", "no ending", ".ida.h5", "__eva.h5", ".DS_Store"):
        (tmp_path / name).write_text("x")
    found = {one.name: one for one in submissions.find_submissions(tmp_path)}
    assert set(found) == {"ada", "list.csv", "no ending", ".ida.h5", "__eva.h5"}
    assert found["ada"].path.name == "0.h5" and not found["ada"].verdict and not found["__eva.h5"].verdict
    assert {name for name, one in found.items() if one.verdict == "left out"} == {"list.csv", "no ending", ".ida.h5"}


NOT_H5 = {
    "bob.rar": "an archive (.rar): hand in the .h5 that is in it",
    "cem.7z": "an archive (.7z)",
    "dora.tar.gz": "an archive (.gz)",
    "dan.h5.zip": "an archive (.zip)",
    "eva.h5.txt": "got .txt: hand in the .h5 itself; if it is one, rename it",
    "ida.h5 (1)": "got .h5 (1): hand in the .h5 itself",
    "ole.H5": "got .H5: rename it",
    "pia.keras": 'save it with model.save("NAME.h5")',
}


@pytest.mark.parametrize("name", NOT_H5)
def test_what_was_meant_as_a_hand_in_is_told_what_to_do(name, tmp_path):
    (tmp_path / name).write_bytes(b"x")
    for place in (tmp_path, tmp_path / name):
        (found,) = submissions.find_submissions(place)
        assert (found.name, found.path, found.verdict) == (name, None, "BROKEN") and NOT_H5[name] in found.reason


def test_folder_without_an_h5_is_told_what_is_in_it(tmp_path):
    handins.inside()(tmp_path / "ida")
    handins.GOOD(tmp_path / "ida" / "ida.h5 (1)")
    (found,) = submissions.find_submissions(tmp_path)
    assert found.verdict == "BROKEN" and "found 0; in it: ida.h5 (1). Hand in the one .h5." in found.reason
