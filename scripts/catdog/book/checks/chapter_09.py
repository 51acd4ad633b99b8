"""Checks for the exercises of chapter 9."""

from __future__ import annotations

import numpy as np

from catdog.book.checking import close, exercise


@exercise(
    "09.1",
    "padding keeps the size, so only the poolings change it: how often is 150 halved?",
    "each pooling halves the size and rounds down: 150 becomes 75, then 37, then …",
    "the third number is that of the last convolution's filters.",
)
def _(answer):
    return isinstance(answer, tuple | list) and tuple(answer) == (18, 18, 64)


@exercise(
    "09.2",
    "a dense layer has a weight for each pair of input and output, and a bias for each output.",
    "its inputs are the flattened 18 × 18 × 64 numbers, its outputs 64.",
    "divide (18 · 18 · 64 + 1) · 64 by all 1,355,938 parameters.",
)
def _(answer):
    return close(answer, 1_327_168 / 1_355_938, 1e-3)


@exercise(
    "09.3",
    "begin with the LossHistory above. Which method is called once a training?",
    "on_train_begin makes the empty list. In on_epoch_end, look at what stands in `logs`.",
    'append logs["val_accuracy"]; logs["accuracy"] is that of the photos it trains on.',
)
def _(answer):
    import keras

    noted = answer()
    right = isinstance(noted, keras.callbacks.Callback)
    for trained in ([0.5, 0.75, 0.625], [0.25]):
        noted.on_train_begin()
        for epoch, value in enumerate(trained):
            logs = {"loss": 0.7, "accuracy": 0.9, "val_loss": 0.6, "val_accuracy": value}
            noted.on_epoch_begin(epoch)
            noted.on_epoch_end(epoch, logs)
        noted.on_train_end()
        right = right and list(noted.accuracies) == trained
    return right


@exercise(
    "09.4",
    "for a quarter, by what must 0.01 be divided?",
    "1 + 0.0002 · t = 4. That gives t, in steps: how many make an epoch?",
    "15,000 steps; an epoch has 20,000 / 32.",
)
def _(answer):
    return close(answer, 24)


@exercise(
    "09.5",
    "go through the losses and remember two things: the best so far, and how long ago that was.",
    "a loss that equals the best is no improvement. A new best sets the count back to 0.",
    "return the epoch, counted from 1, in which the count reaches the patience; if it never does, "
    "the number of losses.",
)
def _(answer):
    series = [
        ([3.0, 2.0, 1.0, 1.5, 1.2, 0.9, 1.0, 1.0, 0.8], 2),
        ([3.0, 2.0, 1.0, 1.5, 1.2, 0.9, 1.0, 1.0, 0.8], 3),
        ([1.0, 1.0, 1.0, 1.0, 0.5], 3),
        ([5.0, 4.0, 6.0, 5.0, 4.5, 3.0], 3),
        ([5.0, 4.0, 4.5, 3.0, 3.5, 2.0, 2.5], 2),
    ]
    return [answer(list(losses), patience) for losses, patience in series] == [5, 9, 4, 5, 7]


@exercise(
    "09.6",
    "dogs' probabilities are dog[labels == 1]. Compare each of them with each of the cats'.",
    "dogs[:, None] > cats is a table of all pairs; its mean is the share that is in order.",
    "add half of the mean of dogs[:, None] == cats.",
)
def _(answer):
    rng = np.random.default_rng(9)
    labels = np.repeat([0, 1], (30, 50))
    dog = np.round(np.clip(0.4 + 0.2 * labels + 0.2 * rng.normal(size=80), 0, 1), 1)
    cats, dogs = dog[labels == 0], dog[labels == 1]
    right = (dogs[:, None] > cats).mean() + (dogs[:, None] == cats).mean() / 2
    return close(answer(labels, dog), right)
