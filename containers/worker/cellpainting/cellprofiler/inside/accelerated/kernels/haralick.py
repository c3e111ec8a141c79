"""Haralick's texture features of objects.

The formulas are those of `mahotas.features.haralick` (mahotas 1.4.18, after Haralick et al. 1973). What they sum over
a table of 256 x 256 is here summed over the pairs of grey levels that occur, from whole numbers as far as possible.
Since the table is symmetric both of its margins are one, and the two entropies HXY1 and HXY2 are twice that of it.
"""

from __future__ import annotations

from math import exp, log2, sqrt

import numpy as np

from ..kernel import Array, kernel, part_of_kernels

DIRECTIONS = 4  # right, right and down, down, left and down
FEATURES = 13
LEVELS = 256


@part_of_kernels
def count_pairs(patch: Array, direction: int, distance: int, ignores_zeros: bool, counts: Array, pairs: Array) -> int:
    """Count the pairs of levels (low, high) into `counts`, list those that occur in `pairs`, return how many do."""
    height, width = patch.shape
    down = 0 if direction == 0 else distance
    aside = 0 if direction == 2 else (-distance if direction == 3 else distance)
    found = 0
    for y in range(height - down):
        for x in range(max(0, -aside), min(width, width - aside)):
            one, other = patch[y, x], patch[y + down, x + aside]
            if ignores_zeros and (one == 0 or other == 0):
                continue
            low, high = min(one, other), max(one, other)
            if counts[low, high] == 0:
                pairs[found, 0], pairs[found, 1] = low, high
                found += 1
            counts[low, high] += 1
    return found


@part_of_kernels
def moments(numbers: Array, total: int) -> tuple[float, float, float]:
    """Mean, variance and entropy of a distribution over 0, 1, 2 and so on."""
    mean = 0.0
    square = 0.0
    entropy = 0.0
    for value in range(len(numbers)):
        if numbers[value]:
            share = numbers[value] / total
            mean += value * share
            square += value * value * share
            entropy -= share * log2(share)
    return mean, square - mean * mean, entropy


@part_of_kernels
def summarize_differences(numbers: Array, total: int) -> tuple[float, float, float, float]:
    """Of how often levels differ by 0, 1, 2 and so on: contrast, homogeneity, variance and entropy of the shares."""
    contrast = 0.0
    homogeneity = 0.0
    variance = 0.0
    entropy = 0.0
    for difference in range(len(numbers)):
        share = numbers[difference] / total
        contrast += difference * difference * share
        homogeneity += share / (1 + difference * difference)
        variance += (share - 1 / len(numbers)) ** 2
        if share > 0:
            entropy -= share * log2(share)
    return contrast, homogeneity, variance / len(numbers), entropy


@part_of_kernels
def summarize(counts: Array, pairs: Array, levels: int, features: Array) -> None:
    """Write the features of one direction."""
    margin = np.zeros(levels, np.int64)
    sums = np.zeros(2 * levels, np.int64)
    differences = np.zeros(levels, np.int64)
    total = 0
    products = 0
    for at in range(len(pairs)):
        low, high = pairs[at]
        number = counts[low, high]
        total += 2 * number
        margin[low] += number
        margin[high] += number
        sums[low + high] += 2 * number
        differences[high - low] += 2 * number
        products += 2 * number * low * high
    squares = 0.0
    entropy = 0.0
    for at in range(len(pairs)):
        low, high = pairs[at]
        cells = 1 if low == high else 2  # of the symmetric table
        share = counts[low, high] * (2 / cells) / total
        squares += cells * share * share
        entropy -= cells * share * log2(share)
    mean, variance, margin_entropy = moments(margin, total)
    sum_mean, sum_variance, sum_entropy = moments(sums, total)
    contrast, homogeneity, difference_variance, difference_entropy = summarize_differences(differences, total)
    features[0] = squares
    features[1] = contrast
    features[2] = 1.0 if variance <= 0 else (products / total - mean * mean) / variance
    features[3] = variance
    features[4] = homogeneity
    features[5] = sum_mean
    features[6] = sum_variance
    features[7] = sum_entropy
    features[8] = entropy
    features[9] = difference_variance
    features[10] = difference_entropy
    information = entropy - 2 * margin_entropy
    features[11] = information if margin_entropy == 0 else information / margin_entropy
    features[12] = sqrt(max(0.0, 1 - exp(2 * information)))


@kernel("float64[:,:,::1](uint8[:,:], int32[:,:], int32[:], int64[:,:], int64, boolean)")
def haralick(image: Array, labels: Array, numbers: Array, boxes: Array, distance: int, ignores_zeros: bool) -> Array:
    """Features of each object.

    Parameters
    ----------
    image, labels : (h, w)
        Grey levels, and the number of the object that each pixel is of.
    numbers, boxes : (n,), (n, 4)
        The objects, and the rows and columns (from, to, from, to) that each lies in.
    distance : int
        Between the pixels of a pair, in pixels.
    ignores_zeros : bool
        Whether pixels of level 0, and so those outside the object, are left out.

    Returns
    -------
    (4, 13, n)
        By direction and feature. NaN in all directions where one has no pair.
    """
    count = len(numbers)
    features = np.empty((DIRECTIONS, FEATURES, count))
    counts = np.zeros((LEVELS, LEVELS), np.int32)
    pairs = np.empty((LEVELS * (LEVELS + 1) // 2, 2), np.int32)
    for index in range(count):
        top, bottom, left, right = boxes[index]
        patch = np.zeros((bottom - top, right - left), np.uint8)
        highest = 0
        for y in range(top, bottom):
            for x in range(left, right):
                if labels[y, x] == numbers[index]:
                    level = image[y, x]
                    patch[y - top, x - left] = level
                    highest = max(highest, level)
        for direction in range(DIRECTIONS):
            found = count_pairs(patch, direction, distance, ignores_zeros, counts, pairs)
            if found == 0:
                features[:, :, index] = np.nan
                break
            summarize(counts, pairs[:found], highest + 1, features[direction, :, index])
            for at in range(found):
                counts[pairs[at, 0], pairs[at, 1]] = 0
    return features
