"""Files that announce or hold more than they should: refused early, with little memory."""

import gzip
import io
import subprocess
import sys
import zlib

import numpy as np
import pytest
from dicom_files import CARRIED, dicom_file

from medfast.io import ImageReadError, read_image, write_image
from medfast.io.dicom_sizes import codestream_size

pydicom = pytest.importorskip("pydicom")
nibabel = pytest.importorskip("nibabel")
tifffile = pytest.importorskip("tifffile")
PIL_Image = pytest.importorskip("PIL.Image")

# Some carried files break rules of the standard on purpose, and pydicom says so.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom", "ignore:Invalid value for VR:UserWarning")

CT_FOLDER = CARRIED / "dicomdirtests" / "98892001" / "CT5N"


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.nii", "a.nii.gz", "a.dcm"])
def test_budget_is_exact(tmp_path, name):
    write_image(tmp_path / name, np.zeros((30, 40), np.uint8))
    assert read_image(tmp_path / name, max_bytes=1200).array.nbytes == 1200
    with pytest.raises(ImageReadError, match="max_bytes allows 1,199"):
        read_image(tmp_path / name, max_bytes=1199)


def test_budget_of_a_folder():
    with pytest.raises(ImageReadError, match="max_bytes allows"):
        read_image(CT_FOLDER, max_bytes=5 * 16 * 16)


def test_budget_of_one_frame():
    assert read_image(CARRIED / "rtdose.dcm", frame=0, max_bytes=400).array.shape == (10, 10)


def peak_of(function):
    """Most memory that Python's allocators held while `function` ran, in bytes."""
    import tracemalloc

    tracemalloc.start()
    try:
        function()
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


def refuse(path, match, **options):
    """Reading fails for that reason, with little memory."""

    def attempt():
        with pytest.raises(ImageReadError, match=match):
            read_image(path, **options)

    assert peak_of(attempt) < 20e6


def test_deflated_dicom_bomb(tmp_path):
    path = dicom_file(tmp_path / "x.dcm", np.zeros((4, 4), np.uint8), syntax=pydicom.uid.DeflatedExplicitVRLittleEndian)
    dataset = pydicom.dcmread(path)
    # An element of 100 MB of zeros inflates from 100 kB; the pixels are as announced.
    dataset.add_new(0x00091010, "OB", bytes(100_000_000))
    dataset.save_as(path)
    del dataset
    assert path.stat().st_size < 200_000
    refuse(path, "inflates to more than", max_bytes=10_000_000)
    (tmp_path / "cut.dcm").write_bytes((CARRIED / "image_dfl.dcm").read_bytes()[:-500])
    refuse(tmp_path / "cut.dcm", "cut off")


def test_dicom_that_announces_too_much(tmp_path):
    path = dicom_file(tmp_path / "x.dcm", np.zeros((4, 4), np.uint16), NumberOfFrames=2_000_000_000)
    refuse(path, "max_bytes allows")
    refuse(dicom_file(tmp_path / "y.dcm", np.zeros((4, 4), np.uint16), NumberOfFrames=1000), "less than expected")
    refuse(dicom_file(tmp_path / "z.dcm", np.zeros((4, 4), np.uint16), Rows=0), "no pixels")


def test_dicom_whose_codestream_is_larger_than_announced(tmp_path):
    stream = io.BytesIO()
    PIL_Image.new("L", (3000, 2000)).save(stream, "JPEG")
    assert codestream_size(stream.getvalue()) == (2000, 3000)
    path = dicom_file(tmp_path / "x.dcm", np.zeros((16, 16), np.uint8))
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEGBaseline8Bit
    dataset.PixelData = pydicom.encaps.encapsulate([stream.getvalue()])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.save_as(path)
    refuse(path, r"announces 16x16 pixels, its compressed data \(2000, 3000\)")


def test_codestream_size_of_jpeg_2000():
    dataset = pydicom.dcmread(CARRIED / "JPEG2000.dcm")
    assert codestream_size(next(pydicom.encaps.generate_frames(dataset.PixelData))) == (1024, 256)
    assert codestream_size(b"") is None
    assert codestream_size(b"\xff\xd8\xff\xe0\x00") is None


JP2_START = b"\0\0\0\x0cjP  "


@pytest.mark.parametrize(
    ("length", "reason"),
    [
        (0, "box b'ftyp' of length 0 before the codestream"),
        (1, "box b'ftyp' of length 1 before the codestream"),
        (7, "box b'ftyp' of length 7 before the codestream"),
        (2**32 - 1, "end before the codestream"),
    ],
)
def test_broken_boxes_of_a_jp2_file_do_not_hang(tmp_path, length, reason):
    data = bytearray((CARRIED / "GDCMJ2K_TextGBR.dcm").read_bytes())
    second = data.find(JP2_START) + 12
    data[second : second + 4] = length.to_bytes(4, "big")
    path = tmp_path / "x.dcm"
    path.write_bytes(data)
    code = (
        "from medfast.io import ImageReadError, read_image\n"
        f"try: read_image({str(path)!r})\n"
        "except ImageReadError as error: print(error)"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith(f"cannot read {path}: ")
    assert reason in done.stdout


def test_codestream_size_of_a_jp2_file():
    dataset = pydicom.dcmread(CARRIED / "GDCMJ2K_TextGBR.dcm")
    frame = next(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1))
    size = (dataset.Rows, dataset.Columns)
    assert codestream_size(frame) == size
    stream = frame[frame.find(b"jp2c") + 4 :]
    to_the_end = JP2_START + b"\r\n\x87\n" + bytes(4) + b"jp2c" + stream
    assert codestream_size(to_the_end) == size
    # neither what another box holds nor how much of it stands before counts
    small = bytearray(stream[:110])
    small[8:16] = bytes(7) + b"\1"
    other = (8 + 5000).to_bytes(4, "big") + b"uuid" + small + bytes(5000 - len(small))
    assert codestream_size(to_the_end[:12] + other + to_the_end[12:]) == size
    with pytest.raises(ValueError, match="64-bit length"):
        codestream_size(to_the_end[:12] + b"\0\0\0\1jp2c" + stream)


def test_run_length_bomb(tmp_path):
    path = dicom_file(tmp_path / "x.dcm", np.zeros((16, 16), np.uint8))
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.RLELossless
    frame = (1).to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(56) + b"\x81\0" * 100_000
    dataset.PixelData = pydicom.encaps.encapsulate([frame])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.save_as(path)
    refuse(path, "run lengths", max_bytes=5_000_000)


def test_compressed_nifti_bomb(tmp_path):
    header = nibabel.Nifti1Header()
    header.set_data_shape((30000, 30000, 30000))
    header["magic"], header["vox_offset"] = b"n+1", 352
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(header.binaryblock + b"\0" * 4))
    refuse(tmp_path / "a.nii.gz", "max_bytes allows")
    header.set_data_shape((3, 3, 3))
    header["vox_offset"] = 1e9  # nibabel would look for extensions in all that
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(header.binaryblock + bytes(50_000_000)))
    refuse(tmp_path / "b.nii.gz", "begin at byte", max_bytes=10_000_000)
    # What follows the announced pixels is never inflated.
    header["vox_offset"] = 352
    (tmp_path / "c.nii.gz").write_bytes(gzip.compress(header.binaryblock + bytes(50_000_000)))
    assert peak_of(lambda: read_image(tmp_path / "c.nii.gz")) < 20e6


def test_png_bomb(tmp_path):
    PIL_Image.new("1", (40_000, 10_000)).save(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size < 100_000
    refuse(tmp_path / "a.png", "decompression bomb")
    PIL_Image.new("1", (8_000, 8_000)).save(tmp_path / "b.png")
    refuse(tmp_path / "b.png", "max_bytes allows", max_bytes=10_000_000)


def test_tiff_strip_bomb(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((16, 16), np.uint8), compression="zlib")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as tiff:
        bomb = zlib.compress(bytes(60_000_000), 9)
        end = (tmp_path / "a.tif").stat().st_size
        tiff.pages[0].tags["StripOffsets"].overwrite(end)
        tiff.pages[0].tags["StripByteCounts"].overwrite(len(bomb))
    with open(tmp_path / "a.tif", "ab") as file:
        file.write(bomb)
    refuse(tmp_path / "a.tif", "inflates to more than")
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((16, 16), np.uint8), compression="lzma")
    refuse(tmp_path / "b.tif", "compression LZMA is not supported")
