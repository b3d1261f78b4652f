"""Pictures of the clips in corpora."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ser_tf.corpora import title
from ser_tf.emotions import in_order
from ser_tf.evaluation.plots import style
from ser_tf.evaluation.plots.style import picture

_HATCHES = {"female": "", "male": "///", "": "..."}
"""Each sex's hatching; the last is for unknown sex."""


@picture
def draw_counts(index: pd.DataFrame) -> Figure:
    """A row a corpus: its clips of each emotion and sex, and of each speaker and emotion.

    Args:
        index: a row a clip: `corpus, speaker, emotion, sex`, as of `corpora.load`.
    """
    corpora = list(dict.fromkeys(index.corpus))
    emotions = in_order(index.emotion)
    figure = style.figure(0.5 + 2.4 * len(corpora))
    grid = figure.subplots(len(corpora), 2, squeeze=False, width_ratios=(2, 3))
    for (left, right), corpus in zip(grid, corpora, strict=True):
        clips = index[index.corpus == corpus]
        _by_emotion(left, clips, emotions)
        left.set_title(f"{title(corpus)}: {len(clips)} clips", loc="left", fontsize=10)
        _by_speaker(right, clips, emotions)
    grid[-1, 0].set_xlabel("clips")
    figure.legend(handles=_legend(index.sex), loc="outside upper right", ncols=3, fontsize=8)
    return figure


def _by_emotion(axes: Axes, clips: pd.DataFrame, emotions: Sequence[str]) -> None:
    """A bar an emotion, one sex after the other."""
    colours = [style.colour(emotion) for emotion in emotions]
    begin = np.zeros(len(emotions))
    for sex, hatch in _HATCHES.items():
        counts = _count(clips[clips.sex == sex].emotion, emotions)
        axes.barh(emotions, counts, left=begin, color=colours, hatch=hatch)
        begin += counts
    for place, total in enumerate(begin):
        axes.text(total, place, f" {total:.0f}", va="center", fontsize=8)
    axes.set_xlim(0, 1.2 * max(begin))
    axes.invert_yaxis()


def _by_speaker(axes: Axes, clips: pd.DataFrame, emotions: Sequence[str]) -> None:
    """A column a speaker, its emotions stacked in the order and colours of the bars on the left."""
    speakers = sorted(set(clips.speaker))
    begin = np.zeros(len(speakers))
    width = 0.9 if len(speakers) <= style.MOST_NAMES else 1.0
    for emotion in reversed(emotions):
        counts = _count(clips[clips.emotion == emotion].speaker, speakers)
        axes.bar(range(len(speakers)), counts, width, bottom=begin, color=style.colour(emotion))
        begin += counts
    axes.set(ylabel="clips", ylim=(0, 1.08 * max(begin)))
    prefix = f"{clips.corpus.iloc[0]}-"
    style.name_speakers(axes, [name.removeprefix(prefix) for name in speakers], "speaker", 60)


def _count(words: pd.Series, wanted: Sequence[str]) -> np.ndarray:
    return np.array([(words == word).sum() for word in wanted])


def _legend(sexes: pd.Series) -> list[Patch]:
    known = {"": "sex not told"}
    return [
        Patch(facecolor="0.9", edgecolor="black", hatch=hatch, label=known.get(sex, sex))
        for sex, hatch in _HATCHES.items()
        if (sexes == sex).any()
    ]
