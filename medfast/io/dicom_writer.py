"""DICOM out: a new secondary-capture object that knows nothing of a patient."""

from collections.abc import Callable
from typing import Any

import numpy as np

from medfast.io._image import Image, need

SINGLE = "1.2.840.10008.5.1.4.1.1.7"
MULTI_FRAME_BYTE = "1.2.840.10008.5.1.4.1.1.7.2"
MULTI_FRAME_WORD = "1.2.840.10008.5.1.4.1.1.7.3"
MULTI_FRAME_COLOUR = "1.2.840.10008.5.1.4.1.1.7.4"


def writer(image: Image) -> Callable[[Any], None]:
    """A function that writes `image` to an open file, or an error that says what DICOM cannot hold."""
    colour = image.channel_axis is not None
    n_axes = image.array.ndim - colour
    holds = {
        (2, False): ("uint8", "uint16", "int16"),
        (3, False): ("uint8", "uint16"),
        (2, True): ("uint8",),
        (3, True): ("uint8",),
    }
    if image.array.dtype.name not in holds.get((n_axes, colour), ()) or (colour and image.array.shape[-1] != 3):
        kind = "colour" if colour else "gray"
        raise ValueError(
            f"a DICOM secondary capture cannot hold {kind} {image.array.dtype} of shape {image.array.shape}; it holds "
            "uint8 and uint16 gray images and volumes, int16 gray images, and uint8 RGB"
        )
    rows, columns = image.array.shape[n_axes - 2 : n_axes]
    if max(rows, columns) > 65535:
        raise ValueError(f"DICOM holds up to 65535 rows and columns, got {rows} and {columns}")
    dataset = _dataset(need("pydicom"), image, n_axes, colour)
    return lambda file: dataset.save_as(file, enforce_file_format=True)


def _dataset(pydicom: Any, image: Image, n_axes: int, colour: bool) -> Any:
    array, multi_frame = image.array, n_axes == 3
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    if not multi_frame:
        dataset.SOPClassUID = SINGLE
    elif colour:
        dataset.SOPClassUID = MULTI_FRAME_COLOUR
    else:
        dataset.SOPClassUID = MULTI_FRAME_BYTE if array.dtype.itemsize == 1 else MULTI_FRAME_WORD
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    for name in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        setattr(dataset, name, pydicom.uid.generate_uid())
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    # The standard asks for these, empty where unknown.
    for name in (
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyDate",
        "StudyTime",
        "StudyID",
        "AccessionNumber",
        "ReferringPhysicianName",
        "SeriesNumber",
        "PatientOrientation",
    ):
        setattr(dataset, name, None)
    dataset.InstanceNumber = 1
    dataset.Modality = str(image.meta.get("Modality", "OT"))
    dataset.ConversionType = "WSD"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Written anew, without patient data"
    dataset.Rows, dataset.Columns = array.shape[n_axes - 2 : n_axes]
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8 * array.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = 1 if array.dtype.kind == "i" else 0
    if not colour:
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
        dataset.RescaleType = image.unit if image.unit in ("HU", "OD") else "US"
        dataset.PresentationLUTShape = "IDENTITY"
    if multi_frame:
        dataset.NumberOfFrames = array.shape[0]
        dataset.BurnedInAnnotation = "NO"
        dataset.PageNumberVector = list(range(1, array.shape[0] + 1))
        dataset.FrameIncrementPointer = dataset.data_element("PageNumberVector").tag
    if image.spacing is not None:
        ds = [pydicom.valuerep.DSfloat(value, auto_format=True) for value in image.spacing]
        dataset.PixelSpacing = ds[-2:]
        if multi_frame:
            measures = pydicom.Dataset()
            measures.PixelSpacing, measures.SpacingBetweenSlices = ds[-2:], ds[0]
            shared = pydicom.Dataset()
            shared.PixelMeasuresSequence = [measures]
            dataset.SharedFunctionalGroupsSequence = [shared]
    data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if array.dtype.itemsize == 1 else "OW"
    return dataset
