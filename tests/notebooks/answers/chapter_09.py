"""Answers to chapter 9's exercises: other right ones, and wrong ones that people give."""

HISTORY = """
import keras

class answer(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.accuracies = []

    def on_epoch_end(self, epoch, logs=None):
        self.accuracies.append(logs["val_accuracy"])
"""
AS_PROPERTY = """
import keras

class answer(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(dict(logs))

    @property
    def accuracies(self):
        return [logs["val_accuracy"] for logs in self.seen]
"""
ON_PHOTOS_SEEN = HISTORY.replace('"val_accuracy"', '"accuracy"')
LOSSES = HISTORY.replace('"val_accuracy"', '"val_loss"')
NEVER_EMPTIED = HISTORY.replace("on_train_begin(self, logs=None)", "__init__(self)")
ONLY_THE_LAST = HISTORY.replace("self.accuracies.append(", "self.accuracies = [").replace(
    'y"])', 'y"]]'
)
NO_CALLBACK = HISTORY.replace("(keras.callbacks.Callback)", "").replace(
    "class answer:", "class answer:\n    on_epoch_begin = on_train_end = lambda *_: None"
)
LAST_BEST = """
def answer(losses, patience):
    best = 0
    for epoch in range(len(losses)):
        if losses[epoch] < losses[best]:
            best = epoch
        if epoch - best == patience:
            return epoch + 1
    return len(losses)
"""
THIRD = LAST_BEST.replace("== patience", "> patience")  # as Keras 2.0.8
FROM_ZERO = LAST_BEST.replace("return epoch + 1", "return epoch")
EQUAL_IS_BETTER = LAST_BEST.replace("losses[epoch] <", "losses[epoch] <=")
BEST_EPOCH = LAST_BEST.replace("return epoch + 1", "return best + 1")
AGAINST_THE_LAST = """
def answer(losses, patience):
    wait = 0
    for epoch in range(1, len(losses)):
        wait = wait + 1 if losses[epoch] >= losses[epoch - 1] else 0
        if wait == patience:
            return epoch + 1
    return len(losses)
"""
NEVER_BACK = """
def answer(losses, patience):
    best, wait = np.inf, 0
    for epoch, loss in enumerate(losses, start=1):
        wait += loss >= best
        best = min(best, loss)
        if wait == patience:
            return epoch
    return len(losses)
"""
RANKS = """
def answer(labels, dog):
    total = 0.0
    for d in dog[labels == 1]:
        for c in dog[labels == 0]:
            total += 1 if d > c else 0.5 if d == c else 0
    return total / ((labels == 1).sum() * (labels == 0).sum())
"""

RIGHT = {
    "09.1": ["[18, 18, 64]", "(150 // 8, 150 // 8, 64)"],
    "09.2": ["0.9788", "1 - (896 + 9248 + 18496 + 130) / 1_355_938"],
    "09.3": [HISTORY, AS_PROPERTY],
    "09.4": ["24", "15_000 / 625", "(4 - 1) / 0.0002 * 32 / 20_000"],
    "09.5": [LAST_BEST],
    "09.6": [RANKS],
}
WRONG = {
    "09.1": ["(19, 19, 64)", "(18, 18, 32)", "18 * 18 * 64", "(37, 37, 64)", "(20736,)"],
    "09.2": ["0.92", "97.88", "1_327_168", "18 * 18 * 32 * 64 / 1_355_938"],
    "09.3": [ON_PHOTOS_SEEN, LOSSES, NEVER_EMPTIED, ONLY_THE_LAST, NO_CALLBACK],
    "09.4": ["8", "15_000", "30", "6", "32"],
    "09.5": [THIRD, FROM_ZERO, EQUAL_IS_BETTER, BEST_EPOCH, AGAINST_THE_LAST, NEVER_BACK],
    "09.6": [
        "lambda labels, dog: (dog[labels == 1][:, None] > dog[labels == 0]).mean()",
        "lambda labels, dog: (dog[labels == 1][:, None] >= dog[labels == 0]).mean()",
        "lambda labels, dog: ((dog >= 0.5) == labels).mean()",
        "lambda labels, dog: dog[labels == 1].mean() - dog[labels == 0].mean()",
    ],
}
