"""The eight emotions, their order, and every corpus's words for them."""

from collections.abc import Iterable

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise")

WORDS = {
    "ravdess": dict(zip(("01", "02", "03", "04", "05", "06", "07", "08"), EMOTIONS, strict=True)),
    "cremad": {
        "NEU": "neutral",
        "HAP": "happy",
        "SAD": "sad",
        "ANG": "angry",
        "FEA": "fear",
        "DIS": "disgust",
    },
    "savee": {
        "n": "neutral",
        "h": "happy",
        "sa": "sad",
        "a": "angry",
        "f": "fear",
        "d": "disgust",
        "su": "surprise",
    },
    "tess": {
        "neutral": "neutral",
        "happy": "happy",
        "sad": "sad",
        "angry": "angry",
        "fear": "fear",
        "disgust": "disgust",
        "ps": "surprise",
    },
    "demo": {emotion: emotion for emotion in EMOTIONS},
}
"""For each corpus, the words its file names use, and the emotion each stands for."""


def in_order(emotions: Iterable[str]) -> tuple[str, ...]:
    """The distinct `emotions`, in the order of `EMOTIONS`: the classes of a model trained on them.

    Raises:
        ValueError: if a word is none of the eight emotions.
    """
    present = set(emotions)
    if unknown := sorted(present - set(EMOTIONS)):
        raise ValueError(f"Emotions are {', '.join(EMOTIONS)}. Received: {', '.join(unknown)}.")
    return tuple(emotion for emotion in EMOTIONS if emotion in present)
