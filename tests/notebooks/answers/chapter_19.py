"""Answers to the exercises of chapter 19: right in another way, and wrong as people get them."""

RIGHT = {
    "19.1": ["88.288", "1.5 * 58.858752"],
    "19.2": ["0.02825", "0.088288128 * 8 / 25"],
    "19.4": ["[512, 0.002]", "np.array([32 * 16, 4 * 0.0005])"],
    "19.5": ["answer = lambda seconds: sum(max(step) for step in seconds)"],
}
WRONG = {
    "19.1": ["58.858752", "2 * 58.858752", "2 * 58.858752 / 4", "1.5 * 14.714688", "88.288e6"],
    "19.2": ["0.088288128 / 25", "58.858752e6 * 8 / 25e9", "28.25", "0.088288128 * 8 / 10"],
    "19.4": ["(512, 0.008)", "(512, 0.0005)", "(0.002, 512)", "(32, 0.002)", "512"],
    "19.5": [
        "answer = lambda seconds: seconds.max(0).sum()",
        "answer = lambda seconds: seconds.mean(1).sum()",
        "answer = lambda seconds: seconds.max(1)",
        "answer = lambda seconds: seconds.sum()",
    ],
}
