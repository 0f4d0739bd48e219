"""Pictures: read whatever they are, refused when broken, written whole; the command denoise on real folders."""

import io
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from denoise_utils import cli, reuse, saving
from denoise_utils.pictures import images
from tests.conftest import ROOT

GRAY = ROOT / "models" / "gaussian_small.h5"
COLOUR = ROOT / "models" / "colour_small.h5"


@pytest.fixture
def gray(digits):
    """A mosaic of digits, uint8 (56, 84)."""
    return np.uint8(np.block([[digits[3 * i + j, ..., 0] for j in range(3)] for i in range(2)]) * 255)


@pytest.fixture
def photo(rng):
    """A smooth colour picture, uint8 (40, 60, 3)."""
    down, across = np.mgrid[:40, :60]
    waves = [np.sin(down / 9 + c) * np.cos(across / 7 - c) for c in range(3)]
    return np.uint8(127 + 100 * np.stack(waves, axis=-1))


def run_command(*words, model=GRAY):
    return cli.main(["denoise", "--model", str(model), *map(str, words)])


def test_png_round_trip_is_exact(tmp_path, gray, photo):
    for name, pixels in (("gray.png", gray), ("photo.PNG", photo)):
        images.write_image(pixels, tmp_path / name)
        assert np.array_equal(images.read_image(tmp_path / name), pixels)
    images.write_image(gray[..., None] / 255, tmp_path / "floats.png")
    assert np.array_equal(images.read_image(tmp_path / "floats.png"), gray)
    assert (tmp_path / "gray.png").stat().st_mode & 0o777 == 0o644


def test_jpeg_is_read_and_written_in_high_quality(tmp_path, photo):
    images.write_image(photo, tmp_path / "photo.jpeg")
    with Image.open(tmp_path / "photo.jpeg") as image:
        assert image.format == "JPEG"
    assert np.abs(images.read_image(tmp_path / "photo.jpeg") - photo.astype(float)).mean() < 3


def test_kinds_of_pictures_become_gray_or_colour(tmp_path, gray, photo):
    path = tmp_path / "x.png"
    Image.fromarray(np.uint16(gray) * 257).save(path)  # 16 bits
    found = images.read_image(path)
    assert found.dtype == np.float32 and np.allclose(found, gray / 255, atol=1e-6)
    Image.fromarray(gray).convert("P").save(path)
    assert np.array_equal(images.read_image(path), gray)
    Image.fromarray(gray).convert("RGB").save(path)
    assert np.array_equal(images.read_image(path), gray)
    Image.fromarray(gray > 127).save(path)
    assert np.array_equal(images.read_image(path), np.uint8(gray > 127) * 255)
    Image.fromarray(photo).quantize(32).save(path)
    assert images.read_image(path).shape == photo.shape
    Image.fromarray(photo).convert("CMYK").save(tmp_path / "x.jpg")
    assert images.read_image(tmp_path / "x.jpg").shape == photo.shape


def test_what_is_transparent_shows_white_and_black_around_what_is_bright(tmp_path, photo):
    alpha = np.full(photo.shape[:2], 255, np.uint8)
    alpha[:10] = 0
    for seen, ground in ((photo // 2, 255), (127 + photo // 2, 0)):
        Image.fromarray(np.dstack([seen, alpha])).save(tmp_path / "x.png")
        found = images.read_image(tmp_path / "x.png")
        assert (found[:10] == ground).all() and np.array_equal(found[10:], seen[10:])
    Image.fromarray(np.uint16([[7, 20_000], [30_000, 40_000]])).save(tmp_path / "x.png", transparency=7)
    assert np.allclose(images.read_image(tmp_path / "x.png"), np.array([[65535, 20_000], [30_000, 40_000]]) / 65535)


def test_orientation_of_a_camera_is_followed(tmp_path, photo):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise
    Image.fromarray(photo).save(tmp_path / "x.png", exif=exif)
    assert np.array_equal(images.read_image(tmp_path / "x.png"), np.rot90(photo, -1))


def png(width, height, data=b"", text=b""):
    """Return the bytes of a PNG that promises width x height gray pixels and holds `data`."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"zTXt", b"c\0\0" + text) if text else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def encode(pixels, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def hole(data):
    middle = len(data) // 2
    return data[: middle - 200] + bytes(400) + data[middle + 200 :]


def make_bad(kind, photo):
    """Return the bytes of a file that is no picture, or a hostile one."""
    whole_png, whole_jpeg = encode(photo, "PNG"), encode(photo, "JPEG")
    middle = len(whole_png) // 2
    return {
        "empty": b"",
        "text": b"not a picture",
        "a HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        "a JPEG 2000": encode(photo, "JPEG2000"),
        "TIFF cut short": encode(photo, "TIFF")[:middle],
        "TIFF with a hole": hole(encode(photo, "TIFF", compression="tiff_lzw")),
        "floats of any range": encode(np.float32(photo[..., 0]), "TIFF"),
        "32-bit numbers": encode(np.int32(photo[..., 0]) * 70_000, "TIFF"),
        "PNG cut short": whole_png[:middle],
        "JPEG cut short": whole_jpeg[: len(whole_jpeg) // 2],
        "a flipped bit": whole_png[:middle] + bytes([whole_png[middle] ^ 1]) + whole_png[middle + 1 :],
        "a signature alone": whole_png[:8],
        "a gigapixel": png(40_000, 40_000, zlib.compress(bytes(10_000))),
        "a terapixel": png(2_000_000, 2_000_000, zlib.compress(b"")),
        "fewer pixels than promised": png(500, 500, zlib.compress(bytes(1000))),
        "a bomb of text": png(1, 1, zlib.compress(b"\0\0"), zlib.compress(bytes(200_000_000))),
    }[kind]


BAD = ["empty", "text", "a HEIC", "a JPEG 2000", "TIFF cut short", "TIFF with a hole", "floats of any range"]
BAD += ["32-bit numbers", "PNG cut short", "JPEG cut short", "a flipped bit", "a signature alone"]
BAD += ["a gigapixel", "a terapixel", "fewer pixels than promised", "a bomb of text"]


@pytest.mark.parametrize("kind", BAD)
def test_bad_pictures_are_refused_in_one_line(tmp_path, photo, kind, capfd):
    path = tmp_path / "bad.png"
    path.write_bytes(make_bad(kind, photo))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=r"^Expected a picture \(PNG, .* in bad\.png, got ") as caught:
        images.read_image(path)
    assert "\n" not in str(caught.value) and str(tmp_path) not in str(caught.value)
    assert capfd.readouterr().err == ""
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kilobytes


def test_other_endings_are_not_written(tmp_path, gray):
    with pytest.raises(ValueError, match=r"ends in \.png, .* or \.webp, got x\.gif"):
        images.write_image(gray, tmp_path / "x.gif")


def test_writing_leaves_hidden_files_of_others_alone(tmp_path, gray):
    (tmp_path / ".x-original.png").write_bytes(b"mine")
    os.utime(tmp_path / ".x-original.png", (0, 0))
    images.write_image(gray, tmp_path / "x.png")
    assert (tmp_path / ".x-original.png").read_bytes() == b"mine"


def test_folder_is_denoised_past_what_cannot_be_read(tmp_path, gray, photo, capsys):
    source, out = tmp_path / "in", tmp_path / "new" / "out"
    source.mkdir()
    images.write_image(gray, source / "b [1] **.png")
    images.write_image(gray, source / "a.JPG")
    images.write_image(photo, source / "photo.png")
    (source / "bad.png").write_bytes(b"no picture")
    (source / "notes.txt").write_text("not asked for")
    (source / "folder.png").mkdir()
    os.mkfifo(source / "pipe.png")
    images.write_image(gray, tmp_path / "secret.png")
    (source / "link.png").symlink_to("../secret.png")
    (source / "inner.png").symlink_to("a.JPG")
    (source / "loop.png").symlink_to("loop.png")
    assert run_command(source, out) == 1
    printed = capsys.readouterr()
    assert sorted(os.listdir(out)) == ["a.JPG", "b [1] **.png", "inner.png.jpg", "photo.png"]
    assert np.array_equal(images.read_image(out / "b [1] **.png"), reuse.denoise(saving.load_model(GRAY), gray))
    assert "4 of 10 pictures written" in printed.out
    reasons = [line for line in printed.err.splitlines() if line.startswith("left out: ")]
    words = ["bad.png: Expected a picture", "folder.png: a folder", "link.png: a link that leads out", "loop.png: "]
    words += ["notes.txt: Expected a picture", "pipe.png: no file"]
    assert [line.startswith(f"left out: {said}") for line, said in zip(reasons, words, strict=True)] == [True] * 6


def test_noise_is_added_first_and_seeded(tmp_path, gray, gain, capsys):
    images.write_image(gray, tmp_path / "x.png")
    for seed in (0, 0, 1):
        words = ["--noise", "gaussian", "--sigma", "0.2", "--seed", seed, "--force"]
        assert run_command(tmp_path / "x.png", tmp_path / "out.png", *words) == 0
    one, same, other = capsys.readouterr().out.splitlines()[::2]
    assert one == same != other
    noisy, denoised = (float(number) for number in re.findall(r"([\d.]+) dB", one))
    assert 15 < noisy < 19 and denoised > noisy + 2 * gain


def test_colour_model_takes_colour_and_gray(tmp_path, gray, photo):
    (tmp_path / "in").mkdir()
    images.write_image(gray, tmp_path / "in" / "gray.png")
    images.write_image(photo, tmp_path / "in" / "photo.png")
    assert run_command(tmp_path / "in", tmp_path / "out", model=COLOUR) == 0
    assert images.read_image(tmp_path / "out" / "photo.png").shape == photo.shape
    assert run_command(tmp_path / "in", tmp_path / "out", "--force", "--per-channel") == 0
    expected = reuse.denoise(saving.load_model(GRAY), photo, per_channel=True)
    assert np.array_equal(images.read_image(tmp_path / "out" / "photo.png"), expected)


@pytest.fixture
def pictures(tmp_path, gray):
    """A folder of three pictures."""
    for name in ("a.png", "b.png", "c.png"):
        images.write_image(gray, tmp_path / "in" / name)
    return tmp_path / "in"


REFUSED = {
    "no IN": (["missing", "out"], "Expected IN to be a picture or a folder"),
    "IN without pictures": (["empty", "out"], "Expected pictures (PNG, JPEG, TIFF, BMP, GIF or WebP) in"),
    "OUT is there": (["in", "full"], "Expected no a.png in OUT, found it and 1 more: name another, or add --force"),
    "OUT is a file": (["in", "file"], "Expected OUT to be a folder, as IN is one"),
    "OUT is below a file": (["in", "file/out"], "Expected a folder with room for 1 bytes at"),
    "OUT is IN": (["in", "in", "--force"], "Expected OUT apart from IN"),
    "OUT is IN by another name": (["in", "link", "--force"], "Expected OUT apart from IN"),
    "OUT has no ending": (["in/a.png", "other"], "Expected OUT to end in .png"),
    "no model": (["in", "out", "--model", "none.h5"], "Expected a saved model at none.h5"),
    "a strength without noise": (["in", "out", "--sigma", "0.2"], "Expected --noise with --sigma"),
    "another noise's strength": (["in", "out", "--noise", "masking", "--sigma", "0.2"], "Expected --amount for the"),
    "sigma of 25": (["in", "out", "--noise", "gaussian", "--sigma", "25"], "write 25/255, not 25"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refusals_come_before_tensorflow_and_write_nothing(pictures, tmp_path, kind):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("in")
    shutil.copytree(pictures, tmp_path / "full", ignore=shutil.ignore_patterns("c.png"))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    words, said = REFUSED[kind]
    program = (
        "import sys; from denoise_utils import cli\n"
        f"code = cli.main(['denoise', '--model', {str(GRAY)!r}, *{words!r}])\n"
        "print(code, sorted({'tensorflow', 'keras', 'skimage'} & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.stdout == "2 []\n" and said in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_picture_that_vanishes_is_refused_and_the_others_are_denoised(pictures, tmp_path, monkeypatch, capsys):
    plan = images.plan

    def plan_and_lose(*about):
        job = plan(*about)
        (pictures / "b.png").unlink()
        return job

    monkeypatch.setattr(images, "plan", plan_and_lose)
    assert run_command(pictures, tmp_path / "out") == 1
    printed = capsys.readouterr()
    assert "left out: b.png: Expected a picture" in printed.err and "2 of 3 pictures written" in printed.out
    assert sorted(os.listdir(tmp_path / "out")) == ["a.png", "c.png"]


def test_refused_pictures_are_named_when_it_is_stopped_too(pictures, tmp_path, monkeypatch, capsys):
    (pictures / "a.png").write_bytes(b"no picture")
    write = images.write_image

    def write_and_stop(*about):
        write(*about)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(images, "write_image", write_and_stop)
    assert run_command(pictures, tmp_path / "out") == 130
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("left out: a.png: Expected") and last == "stopped: what was finished is kept"
    assert os.listdir(tmp_path / "out") == ["b.png"]


def test_too_many_marks_are_refused_for_each_picture_and_a_large_one_takes_more(tmp_path):
    with pytest.raises(ValueError, match="Expected at most 100 marks, a mark per pixel, got 1,000,000,000"):
        images.choose_noise("watermark", {"marks": 10**9})(np.zeros((1, 10, 10, 1), np.float32), 0)
    assert images.choose_noise("watermark", {"marks": 1000})(np.zeros((1, 90, 90, 1), np.float32), 0).sum() > 1000


@pytest.mark.stress
def test_pictures_of_six_sizes_are_denoised_without_a_word(tmp_path, gray):
    for side in range(30, 36):
        images.write_image(gray[:side], tmp_path / "in" / f"{side}.png")
    words = ["denoise", tmp_path / "in", tmp_path / "out", "--model", ROOT / "models" / "clutter_tiny.h5"]
    command = [sys.executable, "-m", "denoise_utils", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and "6 of 6" in done.stdout and done.stderr == ""


def test_model_that_is_no_denoiser_is_an_error(pictures, tmp_path, capsys):
    assert run_command(pictures, tmp_path / "out", model=ROOT / "models" / "digit_judge.h5") == 2
    assert "it is no denoiser" in capsys.readouterr().err


def test_force_overwrites_and_nothing_else_does(pictures, tmp_path, gray):
    images.write_image(gray, tmp_path / "out" / "a.png")
    assert run_command(pictures / "a.png", tmp_path / "out") == 2
    assert np.array_equal(images.read_image(tmp_path / "out" / "a.png"), gray)
    assert run_command(pictures / "a.png", tmp_path / "out", "--force") == 0
    assert not np.array_equal(images.read_image(tmp_path / "out" / "a.png"), gray)


def test_bar_is_drawn_for_a_person_only(pictures, tmp_path, monkeypatch, capsys):
    assert run_command(pictures, tmp_path / "one") == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert run_command(pictures, tmp_path / "two") == 0
    assert "##] 3/3" in capsys.readouterr().err.replace("\r", "\n")


def test_folder_is_denoised_past_a_name_that_cannot_be_written(pictures, tmp_path, gray, capsys):
    images.write_image(gray, pictures / f"{'b' * 250}.png")  # the longest name there is
    (tmp_path / "out" / "c.png").mkdir(parents=True)
    assert run_command(pictures, tmp_path / "out", "--force") == 1
    said = capsys.readouterr()
    assert "3 of 4 pictures written" in said.out and sorted(map(len, os.listdir(tmp_path / "out"))) == [5, 5, 5, 254]
    assert said.err.startswith("left out: c.png: Expected to write c.png, got: ") and said.err.count("\n") == 1


def test_link_to_nothing_in_out_is_not_replaced(pictures, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").symlink_to("nowhere")
    assert run_command(pictures, tmp_path / "out") == 2
    assert "Expected no a.png in OUT" in capsys.readouterr().err and (tmp_path / "out" / "a.png").is_symlink()
