"""OpenCV's functions with OpenCV's own signatures, constants and quirks, computed by medfast."""
