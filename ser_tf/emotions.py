"""The eight emotions, their order, every corpus's words for them, and those of people's tables."""

import unicodedata
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

SYNONYMS = {
    "neutral": "neutrality neu neutre neutralny neutralna neutralnosc",
    "calm": "calmness calme serein ruhig ruhe gelassen tranquilo tranquila tranquilidad calma "
    "spokojny spokojna spokoj",
    "happy": "happiness joy joyful hap freude froh gluck glucklich joie joyeux joyeuse heureux "
    "heureuse alegria alegre felicidad feliz radosc radosny radosna szczescie szczesliwy "
    "szczesliwa",
    "sad": "sadness sorrow traurig traurigkeit trauer triste tristesse tristeza smutek smutny "
    "smutna",
    "angry": "anger ang arger argerlich wut wutend zorn zornig colere enojo enojado enojada "
    "enfado enfadado enfadada ira rabia gniew zlosc zly zla",
    "fear": "fearful fea afraid scared anxious angst angstlich furcht peur apeure apeuree miedo "
    "temor asustado asustada strach przestraszony przestraszona lek",
    "disgust": "disgusted dis ekel angeekelt degout degoute degoutee asco repugnancia wstret "
    "obrzydzenie",
    "surprise": "surprised sur ps pleasant_surprise pleasantly_surprised uberraschung "
    "uberrascht surpris sorpresa sorprendido sorprendida zaskoczenie zaskoczony zaskoczona "
    "zdziwienie",
}
"""Words for the eight in tables, in five languages, as `plain` has them."""

_OF_WORD = {word: emotion for emotion in EMOTIONS for word in (emotion, *SYNONYMS[emotion].split())}


def plain(word: str) -> str:
    """A word in small letters without accents, with "_" for spaces and hyphens.

    As `colere` for `Col\u00e8re` and `gluck` for `Gl\u00fcck`; `ue` for `\u00fc` stays what it is.
    """
    letters = unicodedata.normalize("NFKD", word.strip().lower().replace("\u0142", "l"))
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return "_".join(bare.replace("-", " ").replace("_", " ").split())


def named(word: str) -> str | None:
    """Which of the eight a word means, in any case; None for none of them."""
    return _OF_WORD.get(plain(word))


def in_order(emotions: Iterable[str]) -> tuple[str, ...]:
    """The distinct `emotions`, in the order of `EMOTIONS`: the classes of a model trained on them.

    Raises:
        ValueError: if a word is none of the eight emotions.
    """
    present = set(emotions)
    if unknown := sorted(present - set(EMOTIONS)):
        raise ValueError(f"Emotions are {', '.join(EMOTIONS)}. Received: {', '.join(unknown)}.")
    return tuple(emotion for emotion in EMOTIONS if emotion in present)
