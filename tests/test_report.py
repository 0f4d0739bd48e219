"""The budget report and its command: verdicts by the number, every file named, exit codes."""

import csv
import dataclasses
import re
import shutil

import h5py
import keras
import pytest

from denoise_utils import models, profiles, report, saving
from denoise_utils.measures import table
from denoise_utils.reporting import page
from tests.making import save


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a capped model, one without a card, a judge and a large reference."""
    folder = tmp_path_factory.mktemp("models")
    save(folder, "fits", models.capped_autoencoder(8, 1), task="clutter", role="capped")
    save(folder, "no_card", models.capped_autoencoder(4, 1))
    (folder / "no_card.json").unlink()
    save(folder, "judge", models.digit_judge(), task="digits", role="judge")
    save(folder, "big", models.capped_autoencoder(40, 2), task="clutter", role="reference")
    return folder


@pytest.fixture(scope="module")
def found(folder):
    return report.make_report(folder, profiles.CAP, profiles.load_profile("tiny"), others=True)


def by_file(found):
    return {row["file"]: row for row in found.rows}


def test_verdict_is_the_number_alone_and_only_capped_models_fail(found):
    rows = by_file(found)
    assert {name: rows[name]["verdict"] for name in ("fits.h5", "no_card.h5", "big.h5")} == {
        "fits.h5": "PASS",
        "no_card.h5": "PASS",
        "big.h5": "OVER",
    }
    assert rows["no_card.h5"]["role"] == "capped" and rows["no_card.h5"]["task"] == "clutter"
    assert found.exit_code == 0


def test_counts_and_scores_are_there(found):
    row, noisy = by_file(found)["fits.h5"], by_file(found)["noisy input"]
    assert row["parameters"] == row["trainable"] == models.capped_autoencoder(8, 1).count_params()
    for key in ("val_bce", *table.columns(table.FULL)):
        assert row[key] is not None and noisy[key] is not None
    assert noisy["psnr"] > 5 and by_file(found)["judge.h5"]["legibility"] is not None


def test_yardsticks_come_first(found):
    names = [row["file"] for row in found.rows if row["role"] == "yardstick"]
    assert names == [row["file"] for row in found.rows[:3]]
    assert names[0] == "noisy input" and names[1].startswith("filter: ") and names[2] == "clean images"
    assert found.rows[1]["psnr"] != found.rows[0]["psnr"]


def test_files_are_written_and_the_page_is_self_contained(found, tmp_path):
    report.write_report(found, tmp_path)
    with open(tmp_path / "budget.csv") as file:
        assert [row["file"] for row in csv.DictReader(file)] == [row["file"] for row in found.rows]
    written = (tmp_path / "budget.md").read_text()
    assert "## clutter, mix sum\n" in written and re.search(r"\| 1 \| (fits|no_card|big)\.h5 \| [\d,]+ ", written)
    assert max(line.count("|") for line in written.splitlines()) == 1 + 7
    html = (tmp_path / "budget.html").read_text()
    assert html.count("data:image/png;base64,") == 2 + 3  # clean and noisy once; three denoisers
    assert not re.search(r'(src|href)="(?!data:|#)', html)


def test_names_cannot_inject_into_the_page(found):
    row = by_file(found)["fits.h5"] | {"file": "<script>alert(1)</script>\u202e.h5"}
    html = page.render(report.Report(cap=3600, rows=[row]))
    assert html.count("<script>") == 1 and "&lt;script&gt;" in html and "\u202e" not in html


def test_only_reference_and_judge_are_exempt(tmp_path):
    tiny = profiles.load_profile("tiny")
    for number, role in enumerate(["Capped", None, ["x"], "reference "]):
        save(tmp_path, f"over_{number}", models.capped_autoencoder(40, 2), task="clutter", role=role)
    told = []
    found = report.make_report(tmp_path, profiles.CAP, tiny, tell=told.append)
    assert [row["verdict"] for row in found.models] == ["OVER"] * 4 and found.exit_code == 1
    assert told == [f"clutter: {row['file']}" for row in found.rows]


def write_odd_card(path, kind):
    """Give the model at `path` a card that nobody expects."""
    card = path.with_suffix(".json")
    if kind == "inside":
        card.unlink()
        with h5py.File(path, "r+") as file:
            file.attrs["card"] = 5
    else:
        texts = {"deep": "[" * 100_000, "huge": '{"a": "' + "x" * 2_000_000 + '"}', "binary": "\udcff"}
        card.write_bytes(texts[kind].encode("utf-8", "surrogateescape"))


@pytest.mark.parametrize("kind", ["inside", "deep", "huge", "binary"])
def test_odd_card_is_one_failed_file_and_the_rest_is_reported(tmp_path, kind):
    save(tmp_path, "fits", models.capped_autoencoder(4, 1))
    save(tmp_path, "odd", models.capped_autoencoder(4, 1))
    write_odd_card(tmp_path / "odd.h5", kind)
    found = report.make_report(tmp_path, profiles.CAP, profiles.load_profile("tiny"))
    assert [row["file"] for row in found.failed] == ["odd.h5"] and found.exit_code == 2
    assert by_file(found)["fits.h5"]["psnr"] > 0


@pytest.mark.parametrize("task", [["x"], 3, None, "rain"])
def test_task_that_is_none_counts_as_the_assignment(tmp_path, task):
    save(tmp_path, "fits", models.capped_autoencoder(4, 1), task=task)
    found = report.make_report(tmp_path, profiles.CAP, profiles.load_profile("tiny"))
    assert by_file(found)["fits.h5"]["task"] == "clutter" and found.exit_code == 0


def test_model_of_another_size_keeps_its_verdict_and_gets_a_reason(tmp_path):
    inputs = keras.layers.Input((32, 32, 1))
    wide = keras.layers.Conv2D(400, 3, padding="same")(inputs)
    save(tmp_path, "wide", keras.Model(inputs, keras.layers.Conv2D(1, 3, padding="same")(wide)), task="clutter")
    found = report.make_report(tmp_path, profiles.CAP, profiles.load_profile("tiny"))
    row = by_file(found)["wide.h5"]
    assert row["verdict"] == "OVER" and "could not be scored" in row["reason"]
    assert "could not be scored" in page.render(found)


def test_denoiser_that_calls_itself_judge_judges_nobody(tmp_path):
    students = tmp_path / "students"
    save(students, "fits", models.capped_autoencoder(4, 1), task="clutter")
    save(students, "judge", models.digit_judge(), task="digits", role="judge")
    save(students, "z_judge", models.capped_autoencoder(4, 1), task="digits", role="judge")
    profile = dataclasses.replace(profiles.load_profile("tiny"), root=tmp_path, output=tmp_path)
    found = report.make_report(students, profiles.CAP, profile)
    assert [row["file"] for row in found.failed] == ["z_judge.h5"]
    assert any("from the folder itself: judge.h5" in note for note in found.notes)
    (students / "judge.h5").unlink()
    found = report.make_report(students, profiles.CAP, profile)
    assert by_file(found)["noisy input"]["legibility"] is None and "No judge" in found.notes[0]


def test_damaged_judge_costs_the_legibility_and_nothing_else(tmp_path):
    profile = dataclasses.replace(profiles.load_profile("tiny"), root=tmp_path, output=tmp_path)
    save(profile.models, "fits", models.capped_autoencoder(4, 1), task="clutter")
    save(profile.models, "digit_judge", models.digit_judge(), task="digits", role="judge")
    path = profile.models / "digit_judge.h5"
    path.write_bytes(path.read_bytes()[:5000])
    found = report.make_report(profile.models, profiles.CAP, profile)
    assert [row["file"] for row in found.failed] == ["digit_judge.h5"]
    assert by_file(found)["fits.h5"]["psnr"] > 0 and by_file(found)["fits.h5"]["legibility"] is None


@pytest.mark.parametrize("task", ["clutter", "digits"])
def test_model_with_two_outputs_is_one_failed_file(tmp_path, task):
    inputs = keras.layers.Input((28, 28, 1))
    outputs = [keras.layers.Conv2D(1, 3, padding="same")(inputs) for _ in range(2)]
    save(tmp_path, "two", keras.Model(inputs, outputs), task=task)
    save(tmp_path, "fits", models.capped_autoencoder(4, 1), task="clutter")
    found = report.make_report(tmp_path, profiles.CAP, profiles.load_profile("tiny"))
    assert [row["file"] for row in found.failed] == ["two.h5"] and "one output" in found.failed[0]["reason"]
    assert by_file(found)["fits.h5"]["psnr"] > 0


def test_our_own_small_models_are_scored_under_other_strengths_too(tmp_path):
    profile = dataclasses.replace(profiles.load_profile("tiny"), root=tmp_path, output=tmp_path)
    save(profile.models, "same", keras.Sequential([keras.layers.Input((28, 28, 1)), keras.layers.Identity()]))
    save(profile.models, "spots", models.capped_autoencoder(4, 1), task="watermark")
    save(profile.models, "big", models.capped_autoencoder(40, 2), task="clutter", role="reference")
    found = report.make_report(profile.models, profiles.CAP, profile, others=True)
    rows = {(row["noise"], row["file"]): row for row in found.elsewhere}
    names = {"mix maximum": "same.h5", "mix clipped sum": "same.h5", "marks 30": "spots.h5"}
    assert list(rows) == [(noise, file) for noise, name in names.items() for file in ("noisy input", name)]
    assert rows["mix maximum", "same.h5"]["psnr"] == rows["mix maximum", "noisy input"]["psnr"]  # it changes nothing
    assert rows["mix maximum", "same.h5"]["psnr"] != by_file(found)["same.h5"]["psnr"]
    report.write_report(found, tmp_path / "out")
    with open(tmp_path / "out" / "strengths.csv") as file:
        assert [row["noise"] for row in csv.DictReader(file)] == [row["noise"] for row in found.elsewhere]
    assert "| spots.h5 | watermark | marks 30 |" in (tmp_path / "out" / "strengths.md").read_text()


def test_models_of_others_are_scored_under_the_canonical_noise_alone(found):
    assert found.elsewhere == []


def test_rows_and_files_name_their_data(found, tmp_path):
    report.write_report(found, tmp_path)
    with open(tmp_path / "budget.csv") as file:
        assert {row["data"] for row in csv.DictReader(file)} == set(found.label.split("; ")) != {""}


def test_readme_is_updated_between_its_marks_only(found, tmp_path):
    path = tmp_path / "README.md"
    path.write_text("before\n<!-- results: begin -->\nstale\n<!-- results: end -->\nafter\n")
    report.update_readme(path, found)
    text = path.read_text()
    assert text.startswith("before\n<!-- results: begin -->\n") and text.endswith("<!-- results: end -->\nafter\n")
    assert "| model | parameters | multiplications | clutter |" in text and "stale" not in text
    (noisy,) = [row for row in found.rows if row["file"] == "noisy input" and row["task"] == "clutter"]
    assert f"| noisy input | - | - | {noisy['psnr']:.1f} dB, {noisy['legibility']:.1%} read |" in text
    assert "| best classical filter | - | - |" in text
    path.write_text("no marks")
    with pytest.raises(ValueError, match="results: begin"):
        report.update_readme(path, found)


def test_cards_get_the_scores_of_the_report(folder, found, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    report.update_cards(tmp_path, found)
    rows = by_file(found)
    for name in ("fits", "big"):
        card = saving.read_card(tmp_path / f"{name}.h5")
        assert card["test_scores"]["psnr"] == rows[f"{name}.h5"]["psnr"]
        assert card["noisy_input_scores"]["bce"] == rows["noisy input"]["bce"] != card["test_scores"]["bce"]
    assert not (tmp_path / "no_card.json").exists()
    unread = (tmp_path / "judge.json").read_bytes()
    assert unread == (folder / "judge.json").read_bytes()  # it has no error to tell
    shutil.copy(tmp_path / "big.h5", tmp_path / "fits.h5")  # its card is another model's now
    shutil.copy(folder / "fits.json", tmp_path / "fits.json")
    report.update_cards(tmp_path, found)
    assert (tmp_path / "fits.json").read_bytes() == (folder / "fits.json").read_bytes()


def test_colour_model_is_scored_in_colour_and_read_by_nobody(tmp_path):
    save(tmp_path, "rainbow", models.gated_autoencoder(4, 1, channels=3), task="colour")
    found = report.make_report(tmp_path, profiles.CAP, profiles.load_profile("tiny"))
    row = by_file(found)["rainbow.h5"]
    assert found.exit_code == 0 and row["psnr"] > 0 and row["legibility"] is None
    assert "clean images" not in by_file(found)
    assert found.sheets["rainbow.h5"]["noisy"].shape == (10, 28, 28, 3)
    assert "rainbow.h5" in page.render(found)


def test_model_is_scored_under_the_noise_that_its_card_names(tmp_path, clutter):
    for name, told in (("sum", {}), ("maximum", {"mix": "maximum"}), ("odd", {"mix": "unheard of"}), ("worse", 5)):
        settings = {"data": {"noise": told}}
        save(tmp_path, name, models.capped_autoencoder(4, 1), task="clutter", settings=settings)
    found = report.make_report(tmp_path, profiles.CAP, profiles.load_profile("tiny"))
    rows = by_file(found)
    noises = {name: rows[f"{name}.h5"]["noise"] for name in ("sum", "maximum", "odd", "worse")}
    assert noises == {"sum": "mix sum", "maximum": "mix maximum", "odd": "mix sum", "worse": "mix sum"}
    assert list(found.groups) == [("clutter", "mix sum"), ("clutter", "mix maximum")]
    starts = [found.noisy["clutter", noise]["psnr"] for noise in ("mix sum", "mix maximum")]
    assert starts[0] != starts[1]
    assert found.sheets["maximum.h5"]["noisy"].max() > found.sheets["sum.h5"]["noisy"].mean()
    landing = report.landing(found.rows)
    assert (
        f"{starts[0]:.1f} dB" in landing and f"{starts[1]:.1f} dB" not in landing
    )  # the README shows the canonical noise


def test_tables_are_ranked_within_a_task(found):
    ((_, rows), *_) = found.groups.items()
    scores = [row["excess"] for row in rows if row["role"] != "yardstick"]
    assert scores == sorted(scores) and len(scores) == 3 and rows[0]["file"] == table.NOISY
