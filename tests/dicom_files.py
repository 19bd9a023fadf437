"""Small DICOM files for the tests, and the folder of those that pydicom carries."""

from pathlib import Path

import pytest

pydicom = pytest.importorskip("pydicom")

CARRIED = Path(pydicom.__file__).parent / "data" / "test_files"


def dicom_file(path, array, **elements):
    """A small DICOM file with the pixels and elements that a test needs."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = elements.pop("syntax", pydicom.uid.ExplicitVRLittleEndian)
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", pydicom.uid.generate_uid()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "ID-4711"
    dataset.Modality = "OT"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = array.shape[-2:]
    if array.ndim == 3:
        dataset.NumberOfFrames = array.shape[0]
    dataset.BitsAllocated = dataset.BitsStored = 8 * array.dtype.itemsize
    dataset.PixelRepresentation = int(array.dtype.kind == "i")
    for name, value in elements.items():
        setattr(dataset, name, value)
    dataset.HighBit = dataset.BitsStored - 1
    data = array.tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OW" if array.dtype.itemsize > 1 else "OB"
    dataset.save_as(path, enforce_file_format=True)
    return path
