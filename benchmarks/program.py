"""A pipeline as people write it with OpenCV: images of two classes, to an SVM. It knows nothing of medfast."""

import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from sklearn.svm import LinearSVC

hog = cv2.HOGDescriptor((256, 256), (16, 16), (8, 8), (8, 8), 9)
criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 0.2)


def prepare(path):
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    image = cv2.fastNlMeansDenoising(image, None, 10, 7, 21)
    image = cv2.equalizeHist(image)
    return cv2.resize(image, (256, 256))


def describe(image):
    pixels = np.float32(image.reshape(-1, 1))
    _, labels, centers = cv2.kmeans(pixels, 2, None, criteria, 10, cv2.KMEANS_PP_CENTERS)
    bright = labels.reshape(image.shape) == np.argmax(centers)
    return hog.compute(np.where(bright, image, 0).astype(np.uint8)).ravel()


def main(folder):
    paths = sorted(Path(folder).glob("*/*.png"))
    classes = np.array([path.parent.name for path in paths])
    start = time.perf_counter()
    images = [prepare(path) for path in paths]
    features = np.array([describe(image) for image in images])
    train = np.arange(len(paths)) % 3 != 0
    svm = LinearSVC(C=0.01, random_state=0).fit(features[train], classes[train])
    predicted = svm.predict(features[~train])
    seconds = time.perf_counter() - start
    checksums = [int(np.bitwise_xor.reduce(image.view(np.uint64), axis=None)) for image in images]
    print(json.dumps({"seconds": seconds, "predicted": predicted.tolist(), "images": checksums}))


if __name__ == "__main__":
    main(sys.argv[1])
