"""Pictures as they come: told by content, written in their own format with what belongs to them, or named."""

import os
import re
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw

from denoise_utils import cli
from denoise_utils.pictures import reading, writing
from tests.conftest import ROOT

GRAY = ROOT / "models" / "gaussian_small.h5"
CASES = [ROOT.parent / "shared" / "cases" / "pictures", Path(os.environ.get("DENOISE_CASES_DIR", "")) / "pictures"]
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture
def strokes():
    """A seven, drawn with smooth edges in all values from 0 to 255, uint8 (56, 56)."""
    image = Image.new("L", (224, 224))
    ImageDraw.Draw(image).line([(60, 50), (160, 54), (90, 180)], fill=255, width=21)
    return np.array(image.reduce(4))


@pytest.fixture
def photo(rng):
    """Colour patches, uint8 (24, 36, 3), no channel like another."""
    return np.kron(rng.integers(0, 120, (4, 6, 3)), np.ones((6, 6, 1))).astype(np.uint8)


@pytest.fixture
def exif():
    """EXIF of a camera that was turned: its maker, a date in the inner part."""
    about = Image.Exif()
    about[0x0112], about[271] = 6, "Maker"
    about.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    return about.tobytes()


def rewrite(path):
    """Read `path` and write what was read beside it; return the Picture, the new file opened, and what was lost."""
    picture = reading.read(path)
    target = path.with_name(f"again{path.suffix}")
    lost = writing.write(picture.pixels, target, picture)
    return picture, Image.open(target), lost


def run_command(source, out, capsys):
    """Denoise; return the exit code, the lines of output, the notes {what: names} and the left out {name: reason}."""
    code = cli.main(["denoise", "--model", str(GRAY), str(source), str(out)])
    printed = capsys.readouterr()
    lines = [line.split(": ", 2) for line in printed.err.splitlines()]
    assert {line[0] for line in lines} <= {"note", "left out"} and len(lines) == len({line[1] for line in lines})
    notes, left = ({what: rest for kind, what, rest in lines if kind == wanted} for wanted in ("note", "left out"))
    return code, printed.out, notes, left


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF"])
def test_content_says_the_format_whatever_the_name(tmp_path, strokes, kind):
    Image.fromarray(strokes).save(tmp_path / "x.jfif", kind, lossless=True)
    assert reading.find_format(tmp_path / "x.jfif") == reading.read(tmp_path / "x.jfif").format == kind
    assert np.abs(reading.read(tmp_path / "x.jfif").pixels - strokes.astype(float)).mean() < 3


def test_names_stay_where_they_fit_and_else_get_the_right_ending():
    names = [("a.JFIF", "JPEG"), ("b", "PNG"), ("c.dat", "TIFF"), ("d.jpg", "WEBP"), ("e.gif", "GIF"), ("f.png", "GIF")]
    named = [writing.name_output(*about) for about in names]
    assert named == ["a.JFIF", "b", "c.dat", "d.jpg.webp", "e.gif.png", "f.png"]


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif", ".webp"])
def test_profile_and_exif_are_kept_and_the_orientation_is_followed(tmp_path, photo, exif, ending):
    Image.fromarray(photo).save(tmp_path / f"x{ending}", icc_profile=SRGB, exif=exif, lossless=True)
    picture, written, lost = rewrite(tmp_path / f"x{ending}")
    about = written.getexif()
    assert lost == [] and written.info["icc_profile"] == SRGB and written.size == (24, 36) and 0x0112 not in about
    assert about[271] == "Maker" and about.get_ifd(0x8769)[0x9003] == "2020:01:01 00:00:00"
    if ending != ".jpg":
        assert np.array_equal(np.array(written), np.rot90(photo, -1)) and picture.remarks == ()


def test_profile_of_colour_stays_with_a_gray_picture_in_colour(tmp_path, strokes):
    Image.fromarray(strokes).convert("RGB").save(tmp_path / "x.png", icc_profile=SRGB)
    picture, written, lost = rewrite(tmp_path / "x.png")
    assert picture.pixels.ndim == 2 and written.mode == "RGB" and written.info["icc_profile"] == SRGB and lost == []


def test_loss_of_what_a_format_does_not_hold_is_returned(tmp_path, photo, strokes, exif):
    alpha = np.uint8(np.tile(np.linspace(0, 255, 36), (24, 1)))
    Image.fromarray(np.dstack([photo, alpha])).save(tmp_path / "x.png", icc_profile=SRGB, exif=exif)
    picture = reading.read(tmp_path / "x.png")
    assert writing.write(picture.pixels, tmp_path / "x.bmp", picture) == ["alpha", "ICC profile", "EXIF"]
    assert writing.write(picture.pixels, tmp_path / "x.jpg", picture) == ["alpha"]
    Image.fromarray(np.uint16(strokes) * 257).save(tmp_path / "deep.png")
    picture = reading.read(tmp_path / "deep.png")
    assert writing.write(picture.pixels, tmp_path / "deep.jpg", picture) == ["16 bits"]


def test_broken_exif_is_told_and_the_picture_read(tmp_path, photo):
    for name in ("x.png", "x.jpg"):
        Image.fromarray(photo).save(tmp_path / name, exif=b"Exif\0\0no such thing")
        picture = reading.read(tmp_path / name)
        assert picture.remarks == ("EXIF that is broken is not kept",) and picture.pixels.shape == photo.shape


@pytest.mark.parametrize("ending", [".png", ".tif", ".webp"])
def test_alpha_of_a_picture_is_kept_and_its_visible_colours_too(tmp_path, photo, ending):
    alpha = np.uint8(np.tile(np.linspace(0, 255, 36), (24, 1)))
    Image.fromarray(np.dstack([photo, alpha])).save(tmp_path / f"x{ending}", lossless=True, exact=True)
    picture, written, lost = rewrite(tmp_path / f"x{ending}")
    found = np.array(written)
    assert lost == [] and written.mode == "RGBA" and np.array_equal(found[..., 3], alpha)
    weight = alpha[..., None] / 255  # what can be seen of a difference
    assert np.abs(weight * (found[..., :3] - photo.astype(float))).max() < 1.5
    assert np.abs(picture.pixels - (weight * photo + (1 - weight) * 255)).max() < 1.5


@pytest.mark.parametrize("ink", [255, 0])
def test_strokes_are_seen_on_the_ground_they_differ_from(tmp_path, strokes, ink):
    Image.fromarray(np.dstack([np.full_like(strokes, ink)] * 3 + [strokes])).save(tmp_path / "x.png")
    picture, written, lost = rewrite(tmp_path / "x.png")
    assert np.array_equal(picture.pixels, strokes if ink else 255 - strokes) and np.ptp(picture.pixels) == 255
    assert written.mode == "L" and lost == [] and "without alpha" in picture.remarks[0]


def test_gray_strokes_with_alpha_keep_it_on_black(tmp_path, strokes):
    Image.fromarray(np.dstack([strokes, strokes])).save(tmp_path / "x.png")
    picture, written, _ = rewrite(tmp_path / "x.png")
    assert np.ptp(picture.pixels) == 255 and picture.pixels[0, 0] == 0 and picture.remarks == ()
    assert written.mode == "LA" and np.array_equal(np.array(written)[..., 1], strokes)


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_values_of_fewer_bits_in_a_16_bit_file_are_noticed(tmp_path, strokes, bits, ending):
    values = np.uint16(np.round(strokes / 255 * (2**bits - 1)))
    Image.fromarray(values).save(tmp_path / f"x{ending}")
    picture, written, lost = rewrite(tmp_path / f"x{ending}")
    assert picture.pixels.max() == 1 and np.allclose(picture.pixels, strokes / 255, atol=0.003)
    assert np.array(written).dtype == np.uint16 and np.array(written).max() == 65535 and lost == []
    assert [re.findall(r"of (\d+) bits", remark) for remark in picture.remarks] == [[str(bits)]] * (bits < 16)


@pytest.mark.parametrize("bits", [12, 16])
def test_colour_of_16_bits_is_told_and_refused_where_12_bits_leave_4(tmp_path, photo, bits):
    rows = (photo / 119 * (2**bits - 1)).astype(">u2").reshape(24, -1)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 36, 24, 16, 2, 0, 0, 0)), (b"IDAT", data), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(x)) + kind + x + struct.pack(">I", zlib.crc32(kind + x)) for kind, x in parts]
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    if bits == 12:
        with pytest.raises(ValueError, match="12-bit values give: save it with 8 bits"):
            reading.read(tmp_path / "x.png")
    else:
        picture = reading.read(tmp_path / "x.png")
        assert picture.remarks == ("16-bit colour or transparency is read with 8 bits",)
        assert np.abs(picture.pixels - photo / 119 * 255).max() <= 1


def test_floats_are_read_as_they_are(tmp_path, strokes):
    Image.fromarray(np.float32(strokes) / 255).save(tmp_path / "x.tif")
    picture, written, _ = rewrite(tmp_path / "x.tif")
    assert np.array_equal(picture.pixels, np.float32(strokes) / 255) and np.array(written).dtype == np.uint16
    assert picture.remarks == ("floats are written with 16 bits",)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "MPO"])
def test_of_several_frames_the_first_is_read_and_that_is_said(tmp_path, strokes, kind):
    frames = [Image.fromarray(strokes), Image.fromarray(255 - strokes)]
    frames[0].save(tmp_path / "x", kind, save_all=True, append_images=frames[1:], lossless=True)
    picture = reading.read(tmp_path / "x")
    assert np.abs(picture.pixels - strokes.astype(float)).mean() < 5
    assert picture.remarks == ("of several frames only the first is denoised",)
    assert picture.format == kind.replace("MPO", "JPEG")


@pytest.mark.parametrize(
    "head, way_out", [(b"\0\0\0\x18ftypheic", "HEIC: .*PNG"), (b"<svg>", "SVG: .*PNG"), (b"", "empty")]
)
def test_other_files_are_named_with_the_way_out(tmp_path, head, way_out):
    (tmp_path / "x.jpg").write_bytes(head)
    with pytest.raises(ValueError, match=rf"in x\.jpg, got .*{way_out}"):
        reading.find_format(tmp_path / "x.jpg")


def test_no_result_overwrites_another_and_folders_and_hidden_pictures_are_named(tmp_path, strokes, capsys):
    folder, picture = tmp_path / "in", Image.fromarray(strokes)
    (folder / "sub").mkdir(parents=True)
    for name in ("a.gif", "a.gif.png", ".hidden.png"):
        picture.save(folder / name)
    Image.fromarray(255 - strokes).save(folder / "a.png")
    (folder / ".system").write_text("not asked for")
    (folder / "b\n.txt").write_text("a name of two lines")
    code, said, notes, left = run_command(folder, folder / "out", capsys)
    assert code == 1 and "3 of 6 pictures written" in said and list(left) == [".hidden.png", "b\\n.txt", "sub"]
    assert sorted(os.listdir(folder / "out")) == ["a.gif-2.png", "a.gif.png", "a.png"]
    assert notes["GIF is written as PNG"] == "a.gif"
    assert notes["the ending did not fit, and got another after it"] == "a.gif as a.gif-2.png"
    for path in [folder / ".hidden.png", folder / "b\n.txt"]:
        path.unlink()
    (folder / "sub").rmdir()
    shutil.copytree(folder / "out", tmp_path / "before")
    assert cli.main(["denoise", "--model", str(GRAY), str(folder), str(folder / "out"), "--force"]) == 0
    for path in (tmp_path / "before").iterdir():
        assert path.read_bytes() == (folder / "out" / path.name).read_bytes()


def test_folder_of_foreign_files_alone_needs_no_model_and_exits_with_1(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    code, said, _, left = run_command(tmp_path / "in", tmp_path / "out", capsys)
    assert code == 1 and "0 of 1 pictures written" in said and list(left) == ["notes.txt"]
    assert not (tmp_path / "out").exists()


def test_what_one_picture_loses_is_told_once(tmp_path, photo, exif, capsys):
    alpha = np.uint8(np.tile(np.linspace(0, 255, 36), (24, 1)))
    Image.fromarray(np.dstack([photo, alpha])).save(tmp_path / "x.png", exif=exif)
    code, said, notes, left = run_command(tmp_path / "x.png", tmp_path / "out.bmp", capsys)
    assert code == 0 and "1 of 1 pictures written" in said and left == {}
    by_channel = "colour was denoised channel by channel, as this model takes gray; a model of colour may suit better"
    assert notes == dict.fromkeys(["alpha could not be kept", "EXIF could not be kept", by_channel], "x.png")
    assert cli.main(["denoise", "--model", str(GRAY), "--per-channel", str(tmp_path / "x.png"), str(tmp_path)]) == 2
    words = [str(tmp_path / "x.png"), str(tmp_path / "out.png"), "--per-channel"]
    assert cli.main(["denoise", "--model", str(GRAY), *words]) == 0
    assert "channel" not in capsys.readouterr().err and Image.open(tmp_path / "out.png").mode == "RGBA"


@pytest.mark.stress
def test_folder_of_all_kinds_is_denoised_and_every_note_comes_once(tmp_path, capsys):
    source = next((folder for folder in CASES if folder.is_dir()), None)
    if source is None:
        pytest.skip("the folder of pictures, shared/cases/pictures, is not here")
    code, said, notes, left = run_command(source, tmp_path / "out", capsys)
    assert code == 1 and sorted(left) == ["cut.jpg", "cut.png", "empty.png", "html.png"]
    written, names = os.listdir(tmp_path / "out"), set(os.listdir(source)) - set(left)
    assert f"{len(names)} of {len(names) + 4} pictures written" in said and len(written) == len(names)
    assert names - set(written) == {"anim.gif", "webp_named.jpg"}
    assert set(written) - names == {"anim.gif.png", "webp_named.jpg.webp"}
    assert "gray12in16.png" in notes.pop("values of 12 bits in a 16-bit file are spread over all 16")
    assert len(notes) == 7 and any("phone_mpo.jpg" in told for what, told in notes.items() if "frames" in what)
    for name in ("white_strokes_transparent.png", "black_strokes_transparent.png", "gray12in16.png"):
        values = np.array(Image.open(tmp_path / "out" / name))
        assert np.ptp(values) > 0.8 * np.iinfo(values.dtype).max, name
