"""A class of thirty from Moodle, and one from Canvas, each graded from the archive by one command."""

import csv
import json
import stat
import zipfile

import pytest

from denoise_utils import cli
from denoise_utils.grading import finishing
from tests import classes, handins

MODELS = ("good.h5", "ignores.h5", "over.h5", "lambda.h5", "truncated.h5")  # each is graded once
VERDICTS = {name: handins.FEW[name].verdict for name in MODELS}
OPTIONS = ["--profile", "quick", "--images", "60", "--timeout", "100"]


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """What hand-ins hold, by the names of MODELS."""
    folder = tmp_path_factory.mktemp("models") / "some"
    handins.make_all(folder, {name: handins.FEW[name] for name in MODELS})
    return {name: (folder / name).read_bytes() for name in MODELS}


def write_roster(path, people):
    """Write (name, id, e-mail address) for each."""
    with open(path, "w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=";").writerows([("Name", "ID", "E-Mail"), *people])
    return path


def grade(path, out, roster, *more):
    return cli.main(["grade", str(path), "--out", str(out), "--roster", str(roster), *OPTIONS, *more])


def add_link(path, name):
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo(name)
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")


@pytest.mark.stress
def test_moodle_class_of_thirty(tmp_path, content, capsys):
    names = [f"Person {chr(65 + number)}" for number in range(18)]
    files = {classes.moodle(name, 100 + n): content[MODELS[n % len(MODELS)]] for n, name in enumerate(names)}
    expected = {f"{name}, s{100 + n}": VERDICTS[MODELS[n % len(MODELS)]] for n, name in enumerate(names)}
    odd = {
        ("Ann Twin", 201, "model.h5"): (content["good.h5"], "PASS"),
        ("Ann Twin", 202, "model.h5"): (content["over.h5"], "OVER"),
        ("Zip Inside", 203, "model.zip"): (b"PK", "BROKEN"),
        ("Keras Inside", 204, "model.keras"): (b"PK", "BROKEN"),
        ("Upper Case", 205, "MODEL.H5"): (content["good.h5"], "BROKEN"),
        ("Deep Down", 206, "a/b/model.h5"): (content["good.h5"], "PASS"),
        ("Only Hidden", 207, ".ipynb_checkpoints/model.h5"): (content["good.h5"], "BROKEN"),
        ("=HYPERLINK(1)", 208, "model.h5"): (content["good.h5"], "PASS"),
        ("Jürgen Öz", 209, "mödel.h5"): (content["good.h5"], "PASS"),
    }
    files |= {classes.moodle(*who): made for who, (made, _) in odd.items()}
    expected |= {f"{name}, s{n}" if n > 202 else f"{name}, {n}": verdict for (name, n, _), (_, verdict) in odd.items()}
    files[classes.moodle("Two Files", 210, "old.h5")] = content["over.h5"], 1.6e9
    files[classes.moodle("Two Files", 210, "new.h5")] = content["good.h5"], 1.7e9
    files["Only Text_211_assignsubmission_onlinetext_/onlinetext.html"] = b"<p>see mail</p>"
    files["Person A_100_assignsubmission_onlinetext_/onlinetext.html"] = b"<p>hello</p>"
    files |= {"../evil.h5": content["good.h5"], "__MACOSX/._x": b"", ".DS_Store": b""}
    archive = classes.write_zip(tmp_path / "CS-clutter-7.zip", files)
    add_link(archive, classes.moodle("Only Link", 212))
    expected |= {
        "Two Files, s210": "PASS",
        "Only Text, s211": "BROKEN",
        "../evil.h5": "BROKEN",
        "Only Link, s212": "REFUSED",
    }
    people = [(name, f"s{100 + n}", f"{n}@x.org") for n, name in enumerate(names)]
    people += [(name, f"s{n}", f"{n}@x.org") for name, n, _ in odd]
    people += [
        ("Two Files", "s210", ""),
        ("Only Text", "s211", ""),
        ("Only Link", "s212", ""),
        ("Never Came", "s213", "n@x.org"),
    ]
    expected |= {"Ann Twin, s201": "missing", "Ann Twin, s202": "missing", "Never Came, s213": "missing"}

    roster = write_roster(tmp_path / "roster.csv", people)
    assert grade(archive, tmp_path / "out", roster, "--format", "moodle", "--format", "gradescope") == 0
    said = capsys.readouterr().out
    rows = {row["submission"]: row for row in classes.read_csv(tmp_path / "out" / "grades.csv") if row["verdict"]}
    assert {name.lstrip("'"): row["verdict"] for name, row in rows.items()} == expected and len(expected) >= 30
    assert rows["Two Files, s210"]["file"] == "new.h5" and "older: old.h5" in rows["Two Files, s210"]["notes"]
    assert "is on the roster" in rows["Ann Twin, 201"]["notes"] and len(rows["Person A, s100"]["sha256"]) == 64
    seed = rows["Person A, s100"]["seed"]
    assert f"Noise seed {seed}, kept in" in said and seed != "1"

    moodle = {row["Identifier"]: row for row in classes.read_csv(tmp_path / "out" / "moodle.csv")}
    numbers = {*range(100, 118), *range(201, 213)}
    assert {name for name in moodle if name} == {f"Participant {number}" for number in numbers}
    for row in moodle.values():
        assert row["Grade"] == "" or 0 <= float(row["Grade"]) <= float(row["Maximum Grade"]) == 60
    assert moodle["Participant 102"]["Grade"] == "0" and moodle["Participant 102"]["Feedback comments"].startswith(
        "OVER"
    )
    assert len(list((tmp_path / "out" / "gradescope").glob("*/results.json"))) == len(expected) - 3
    assert not list((tmp_path / "out" / "kept").glob("work-*"))

    assert grade(archive, tmp_path / "out", roster, "--again", "77") == 0  # under the seed that was kept
    said = capsys.readouterr().out
    assert "noisy input: scored" in said and f"Noise seed {seed}, kept" in said and "Under the seed 77, " in said
    assert len(classes.read_csv(tmp_path / "out" / "again.csv")) == len(expected)


@pytest.mark.stress
def test_canvas_class_of_thirty(tmp_path, content):
    people, files, expected = [], {}, {}
    for n in range(24):
        model, last = MODELS[n % len(MODELS)], f"Sur{chr(97 + n)}"
        people.append((f"{last}, Given", f"s{n}", f"{n}@x.org"))
        files[classes.canvas(f"{last}given".lower(), 500 + n, 9000 + n, "model.h5", late=n % 4 == 3)] = content[model]
        expected[f"{last}, Given, s{n}"] = (VERDICTS[model], "LATE" * (n % 4 == 3))
    files[classes.canvas("suragiven", 500, 9900, "model-1.h5")] = content["over.h5"]  # handed in again, at the end
    expected["Sura, Given, s0"] = ("OVER", "")
    files["textonly_601_text.html"] = files["linkonly_LATE_602_link.html"] = b"<p>"
    files[classes.canvas("zipinside", 603, 9903, "model.h5.zip")] = b"PK"
    files[classes.canvas("twoattached", 604, 9904, "a.h5")] = content["over.h5"]
    files[classes.canvas("twoattached", 604, 9905, "report.pdf")] = b"%PDF"
    files[classes.canvas("özjürgen", 605, 9906, "model_1_2.h5")] = handins.OF_THE_PROJECT
    people += [("Öz, Jürgen", "s605", "oz@x.org"), ("Never Came", "s606", "")]
    expected |= {"textonly, 601": ("BROKEN", ""), "linkonly, 602": ("BROKEN", "LATE"), "zipinside, 603": ("BROKEN", "")}
    expected |= {
        "twoattached, 604": ("OVER", ""),
        "Öz, Jürgen, s605": ("PASS", ""),
        "Never Came, s606": ("missing", ""),
    }
    archive = classes.write_zip(tmp_path / "submissions.zip", files)

    roster = write_roster(tmp_path / "roster.csv", people)
    assert grade(archive, tmp_path / "out", roster, "--format", "canvas") == 0
    rows = {row["submission"]: row for row in classes.read_csv(tmp_path / "out" / "grades.csv") if row["verdict"]}
    assert {name: (row["verdict"], row["late"]) for name, row in rows.items()} == expected and len(expected) == 30
    assert "the newest of 2; older: model.h5" in rows["Sura, Given, s0"]["notes"]

    assert "the same pictures as the course's baseline" in rows["Öz, Jürgen, s605"]["notes"]
    assert not rows["Öz, Jürgen, s605"]["flags"]  # who runs a lesson unchanged gets it

    head, points, *canvas = read_csv_lines(tmp_path / "out" / "canvas.csv")
    assert (
        head[:5] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
        and points[0].strip() == "Points Possible"
    )
    by_id = {line[1]: line for line in canvas}
    assert {"500", "523", "601", "605"} < by_id.keys() and by_id["500"][2:4] == ["s0", "0@x.org"]
    assert all(line[5] == "" or 0 <= float(line[5]) <= float(points[5]) for line in canvas)
    assert by_id["500"][5] == "0" and by_id["605"][5] == "60" and by_id[""][5] == ""

    grades, _ = finishing.read(tmp_path / "out")
    assert cli.main(["grade", "--forget", "s605", "--out", str(tmp_path / "out")]) == 0
    everything = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    gone = next(row["pseudonym"] for row in grades.rows if row["id"] == "s605")
    assert not [path for path in everything if gone in path.read_text(encoding="utf-8", errors="replace")]
    assert json.loads((tmp_path / "out" / "kept" / "class.json").read_text())["people"]


def read_csv_lines(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file))
