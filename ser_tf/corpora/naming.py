"""What clips are called: words that mean one of the eight emotions, and maps that change them.

A map is a list of `WORD=EMOTION`. `bored=neutral` maps a word, `bored=bored` keeps it as a class of
its own, and `bored=none` leaves its clips out. A word is looked up as it stands, then, if the map
lacks it, as the one of the eight that it means. A map may also name one of `TASKS`.
"""

import difflib
from collections.abc import Iterable, Mapping

from ser_tf import emotions
from ser_tf.errors import InputError

LEFT_OUT = "none"
"""The class of clips that a map leaves out."""

TASKS = {
    "four": ("calm=neutral", "fear=none", "disgust=none", "surprise=none"),
    "arousal": (
        *(f"{emotion}=low" for emotion in ("neutral", "calm", "sad", "disgust")),
        *(f"{emotion}=high" for emotion in ("happy", "angry", "fear", "surprise")),
    ),
    "valence": (
        *(f"{emotion}=negative" for emotion in ("sad", "angry", "fear", "disgust")),
        *(f"{emotion}=positive" for emotion in ("neutral", "calm", "happy", "surprise")),
    ),
}
"""Maps by name: the four usual classes (angry, happy, neutral, sad), and the groups of low and high
arousal and of negative and positive valence by which corpora are compared (Schuller et al., 2010,
"Cross-Corpus Acoustic Emotion Recognition", where neutral counts as positive)."""

ITEM = f"WORD=EMOTION, or {', '.join(TASKS)}"
"""What an item of a map may be, in words."""

_SHOWN = 3  # unknown words in a message


def is_item(text: str) -> bool:
    """Whether a text reads like an item of a map."""
    words = [word.strip() for word in text.split("=")]
    return text in TASKS or (len(words) == 2 and all(words))


def read(items: Iterable[str]) -> dict[str, str]:
    """The class of each word of a map, by the word as `emotions.plain` has it."""
    pairs = {}
    for item in items:
        for pair in TASKS.get(item, (item,)):
            word, _, target = pair.partition("=")
            pairs[emotions.plain(word)] = _class(word, target)
    return pairs


def follow(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    """One map that does what the `first` does, then what the `second` does."""
    then = read(second)
    pairs = {word: rename(found, then) for word, found in read(first).items()}
    return tuple(f"{word}={found}" for word, found in {**then, **pairs}.items())


def rename(name: str, pairs: Mapping[str, str]) -> str:
    """What a class is called after the pairs of a map; itself if they lack it."""
    return pairs.get(emotions.plain(name), name)


def resolve(counts: Mapping[str, int], items: Iterable[str], where: str) -> dict[str, str]:
    """The class of each word, `LEFT_OUT` of those whose clips are left out.

    Args:
        counts: how many clips each word has.
        items: the map.
        where: what holds the words, for the message.

    Raises:
        InputError: naming the words that mean none of the eight and are not in the map, how often
            each occurs, and emotions of similar spelling.
    """
    pairs = read(items)
    found = {word: _look_up(word, pairs) for word in counts}
    if unknown := sorted(word for word in counts if found[word] is None):
        told = "; ".join(_describe(word, counts[word]) for word in unknown[:_SHOWN])
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        word = unknown[0]
        meant = (*_guess(word), "neutral")[0]
        raise InputError(
            f"{where}: unknown emotions: {told}{more}. Known are {', '.join(emotions.EMOTIONS)}; "
            f"--map {word}={meant} maps a word, --map {word}={word} keeps it as a class of its "
            f"own, --map {word}=none leaves it out."
        )
    return {word: name for word, name in found.items() if name is not None}


def unmet(items: Iterable[str], words: Iterable[str]) -> list[str]:
    """The items of a map, tasks apart, whose word is none of `words` and means none of them."""
    met = {emotions.plain(word) for word in words} | {emotions.named(word) for word in words}
    given = [item for item in items if item not in TASKS]
    return [item for item in given if emotions.plain(item.partition("=")[0]) not in met]


def _class(word: str, target: str) -> str:
    if emotions.plain(target) == LEFT_OUT:
        return LEFT_OUT
    own = " ".join(target.lower().split())
    return own if emotions.plain(word) == emotions.plain(target) else emotions.named(target) or own


def _look_up(word: str, pairs: Mapping[str, str]) -> str | None:
    if (bare := emotions.plain(word)) in pairs:
        return pairs[bare]
    meant = emotions.named(word)
    return pairs.get(meant, meant) if meant else None


def _describe(word: str, count: int) -> str:
    meant = _guess(word)
    perhaps = f", perhaps {' or '.join(meant)}" if meant else ""
    return f"{word} ({count} clip{'s' * (count > 1)}{perhaps})"


def _guess(word: str) -> tuple[str, ...]:
    """Emotions that words of similar spelling mean, the nearest first."""
    near = difflib.get_close_matches(emotions.plain(word), emotions.WORD_EMOTIONS, 3, 0.6)
    return tuple(dict.fromkeys(emotions.WORD_EMOTIONS[one] for one in near))
