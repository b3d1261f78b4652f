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
    "happy": "happiness joy joyful hap freude froh freudig frohlich froehlich gluck glueck "
    "glucklich gluecklich joie joyeux joyeuse heureux heureuse alegria alegre felicidad "
    "feliz radosc radosny radosna szczescie szczesliwy szczesliwa",
    "sad": "sadness sorrow traurig traurigkeit trauer triste tristesse tristeza smutek smutny "
    "smutna",
    "angry": "anger ang arger aerger argerlich aergerlich wut wutend zorn zornig colere enojo "
    "enojado enojada enfado enfadado enfadada ira rabia gniew zlosc zly zla",
    "fear": "fearful fea afraid scared anxious angst angstlich aengstlich furcht peur apeure "
    "apeuree miedo temor asustado asustada strach przestraszony przestraszona lek",
    "disgust": "disgusted dis ekel angeekelt degout degoute degoutee asco repugnancia wstret "
    "obrzydzenie",
    "surprise": "surprised sur ps pleasant_surprise pleasantly_surprised erstaunt erstaunen "
    "uberraschung ueberraschung ueberrascht uberrascht surpris sorpresa sorprendido "
    "sorprendida zaskoczenie zaskoczony zaskoczona zdziwienie",
}
"""Words for the eight in tables, in five languages, as `plain` has them."""

WORD_EMOTIONS = {
    word: emotion for emotion in EMOTIONS for word in (emotion, *SYNONYMS[emotion].split())
}
"""The emotion of each word in a table that means one of the eight."""


def plain(word: str) -> str:
    """A word in small letters without accents, with "_" for spaces and hyphens.

    As `colere` for `Colère` and `pleasant_surprise` for `Pleasant surprise`.
    """
    letters = unicodedata.normalize("NFKD", word.strip().lower().replace("ł", "l"))
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return "_".join(bare.replace("-", " ").replace("_", " ").split())


def named(word: str) -> str | None:
    """Which of the eight a word means, in any case; None for none of them."""
    return WORD_EMOTIONS.get(plain(word))


def in_order(emotions: Iterable[str]) -> tuple[str, ...]:
    """The distinct `emotions`, the classes of a model trained on them.

    The eight come first, in the order of `EMOTIONS`, then classes of one's own by name.
    """
    present = set(emotions)
    own = sorted(present - set(EMOTIONS))
    return (*(emotion for emotion in EMOTIONS if emotion in present), *own)
