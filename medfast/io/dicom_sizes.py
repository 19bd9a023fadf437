"""What a DICOM file would decode to, found before anything is decoded: the budget holds for hostile files too."""

import zlib
from typing import Any

from medfast.io._image import check_budget, choose_frame

DEFLATED = "1.2.840.10008.1.2.1.99"
RLE = "1.2.840.10008.1.2.5"
JP2, SOC_SIZ = b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"
"""How a JP2 file begins, and how a JPEG 2000 codestream does."""


def check_inflated_size(pydicom: Any, file: Any, max_bytes: int) -> None:
    """Inflate a deflated file piece by piece and count, because pydicom inflates without a bound."""
    file.seek(0)
    pydicom.filereader.read_preamble(file, True)
    meta = pydicom.filereader.read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
    if meta.get("TransferSyntaxUID") != DEFLATED:
        return
    start = file.read(2)
    if start == b"\0\0":  # pydicom would skip a command group that stands here, and inflate what follows
        raise ValueError("its deflated data begin with a command group")
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    n_bytes, limit = 0, max_bytes + 2**24  # the header is inflated too
    while (piece := start + file.read(2**16)) and not inflate.eof:
        start = b""
        while piece:
            n_bytes += len(inflate.decompress(piece, 2**20))
            if n_bytes > limit:
                raise ValueError(f"it inflates to more than the {max_bytes:,} bytes that max_bytes allows")
            piece = inflate.unconsumed_tail
    if not inflate.eof:
        raise ValueError("its deflated data are cut off")


def check_header(header: Any, frame: int | None, max_bytes: int) -> int:
    """The number of frames, after the size that the header announces was found within the budget."""
    missing = [name for name in ("Rows", "Columns", "BitsAllocated", "PhotometricInterpretation") if name not in header]
    if missing:
        raise ValueError(f"it is no DICOM image ({', '.join(missing)} missing)")
    if "SamplesPerPixel" not in header:
        header.SamplesPerPixel = 1
    n_frames = int(header.get("NumberOfFrames") or 1)
    samples, bits = int(header.SamplesPerPixel), int(header.BitsAllocated)
    if n_frames < 1 or min(header.Rows, header.Columns, samples) < 1:
        raise ValueError("it announces no pixels")
    high_bit = header.get("HighBit")
    if high_bit is not None and "BitsStored" in header and high_bit != header.BitsStored - 1:
        raise ValueError(f"its values end at bit {high_bit}, where BitsStored {header.BitsStored} makes it one less")
    if header.PhotometricInterpretation == "PALETTE COLOR":
        samples, bits = 3, 16
    choose_frame(frame, n_frames)
    n_values = int(header.Rows) * int(header.Columns) * samples * (n_frames if frame is None else 1)
    itemsize = max(bits // 8, 1)
    if samples == 1 and "RescaleSlope" in header and float(header.RescaleSlope or 1) != 1:
        itemsize = max(itemsize, 4)
    check_budget(n_values, itemsize, max_bytes)
    return n_frames


def check_codestreams(pydicom: Any, dataset: Any, n_frames: int, max_bytes: int) -> None:
    """Refuse compressed frames that would decode to more than the header announces."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated or "PixelData" not in dataset:
        return
    size = int(dataset.Rows) * int(dataset.Columns)
    for data in pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=n_frames):
        if syntax == RLE:
            # Two bytes of a run become 128; only where that could pass the budget is it worth counting.
            if 64 * len(data) > max_bytes and _rle_size(data) > max_bytes:
                raise ValueError("its run lengths decode to more than max_bytes allows")
        elif (rows_columns := codestream_size(data)) is not None and rows_columns[0] * rows_columns[1] > size:
            raise ValueError(
                f"its header announces {dataset.Rows}x{dataset.Columns} pixels, its compressed data {rows_columns}"
            )


def codestream_size(data: bytes) -> tuple[int, int] | None:
    """Rows and columns of a JPEG, JPEG-LS or JPEG 2000 codestream, from its header; None where there is none."""
    if data.startswith(JP2):
        start = _jp2_codestream(data)
        start = start if data.startswith(SOC_SIZ, start) else -1
    else:
        start = data.find(SOC_SIZ, 0, 4096)
    if start >= 0 and not data.startswith(b"\xff\xd8"):
        x_end, y_end, x_start, y_start = (
            int.from_bytes(data[start + i : start + i + 4], "big") for i in (8, 12, 16, 20)
        )
        return y_end - y_start, x_end - x_start
    position = 2
    while data.startswith(b"\xff\xd8") and position + 9 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
        elif marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            return int.from_bytes(data[position + 5 : position + 7], "big"), int.from_bytes(
                data[position + 7 : position + 9], "big"
            )
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return None


def _jp2_codestream(data: bytes) -> int:
    """Where the codestream of a JP2 file begins: in the box ``jp2c``, after boxes that each give their length.

    Stricter than the standard, because pydicom walks the boxes too: one of length 0 (to the end of the file) would
    hold it up for ever, and of one with a 64-bit length it would follow the first half.
    """
    position = 0
    while position + 8 <= len(data):
        length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        if kind == b"jp2c":
            if length == 1:
                raise ValueError("its JPEG 2000 codestream has a 64-bit length, which is not supported")
            return position + 8
        if length < 8:
            raise ValueError(f"its JPEG 2000 data have a box {kind!r} of length {length} before the codestream")
        position += length
    raise ValueError("its JPEG 2000 data end before the codestream")


def _rle_size(data: bytes) -> int:
    """Bytes that PackBits data decode to; the segments of a frame lie one after another."""
    n_bytes, position = 0, 64
    while position < len(data):
        head = data[position]
        n_bytes += head + 1 if head < 128 else (257 - head if head > 128 else 0)
        position += head + 2 if head < 128 else (2 if head > 128 else 1)
    return n_bytes
