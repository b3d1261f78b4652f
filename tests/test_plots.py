import itertools
from pathlib import Path

import matplotlib
import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.container import BarContainer

from ser_tf.emotions import EMOTIONS
from ser_tf.evaluation import metrics, plots

CLASSES = ("happy", "sad", "angry")
PROBABILITIES = [f"p_{name}" for name in CLASSES]


def make_history(epochs=30):
    epoch = np.arange(1, epochs + 1)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "loss": 2 / epoch,
            "uar": 1 - 0.8 / epoch,
            "accuracy": 1 - 0.7 / epoch,
            "val_accuracy": 0.7 - 0.4 / epoch,
            "val_loss": 1 + 1 / epoch,
            "val_uar": 0.6 - 0.4 / epoch,
        }
    )


def make_timeline(windows=5):
    starts = np.arange(windows) * 2.0
    probabilities = np.random.default_rng(0).dirichlet(np.ones(len(CLASSES)), size=windows)
    table = pd.DataFrame(probabilities, columns=PROBABILITIES)
    return table.assign(start_seconds=starts, end_seconds=starts + 4)


def make_runs():
    runs = [
        ("lmu", "rows", True, 0.9),
        ("lmu", "rows", True, 0.8),
        ("lmu", "speakers", False, 0.3),
        ("cnn1", "rows", True, 0.6),
    ]
    columns = ["model", "split", "leaky", "test_accuracy"]
    return pd.DataFrame(runs, columns=columns).assign(classes=8)


def make_answers(clips=40):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.dirichlet(np.ones(len(CLASSES)), clips), columns=PROBABILITIES)
    table["emotion"] = rng.choice(CLASSES, clips)
    return table.assign(unsure=table[PROBABILITIES].max(axis=1) < 0.6)


def make_index(speakers=3, corpus="ravdess"):
    rows = [
        (corpus, f"{corpus}-{number:02}", emotion, ("female", "male")[number % 2])
        for number in range(speakers)
        for emotion in ("sad", "happy", "happy")
    ]
    return pd.DataFrame(rows, columns=["corpus", "speaker", "emotion", "sex"])


def make_examples():
    rng = np.random.default_rng(0)
    sound, frames = rng.uniform(-0.5, 0.5, 8_000), rng.normal(size=(101, 20))
    return {"as it is": (sound, frames), "gain": (2 * sound, frames + 1)}


SPEAKERS = {"a-1": {"uar": 0.5, "n_clips": 8}, "a-2": {"uar": 0.75, "n_clips": 9}}
PANELS = {"log-mel (dB)": np.random.default_rng(0).normal(size=(101, 20))}
PICTURES = {
    "learning_curves": lambda: plots.draw_learning_curves(make_history(), 12),
    "confusion": lambda: plots.draw_confusion(172 * np.eye(8, dtype=int), EMOTIONS, "Test"),
    "timeline": lambda: plots.draw_timeline(make_timeline(), CLASSES, np.zeros(64_000), 4_000),
    "comparison": lambda: plots.draw_comparison(make_runs()),
    "curves_of_splits": lambda: plots.draw_curves_of_splits({"rows": make_history()}, "A model"),
    "confusions": lambda: plots.draw_confusions({name: np.eye(3) for name in "abcd"}, CLASSES),
    "legendre": plots.draw_legendre,
    "speakers": lambda: plots.draw_speakers(SPEAKERS, 0.6, "Test"),
    "calibration": lambda: plots.draw_calibration(make_answers(), CLASSES, "Test"),
    "counts": lambda: plots.draw_counts(make_index()),
    "features": lambda: plots.draw_features(np.ones(8_000), 8_000, PANELS, 0.01),
    "published_row": lambda: plots.draw_published_row(np.arange(2376.0), 90, 22),
    "augmentations": lambda: plots.draw_augmentations(make_examples(), 8_000, 0.01, "dB"),
}


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_every_plot_is_among_the_pictures_looked_at_here():
    drawn = {f"draw_{name}" for name in PICTURES}
    assert drawn == set(plots.__all__) - {"COLOURS", "save"}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_saved_as_a_png_that_fits(name, tmp_path):
    plots.save(PICTURES[name](), tmp_path / "folder" / "picture.png")
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["picture.png"]
    pixels = matplotlib.image.imread(tmp_path / "folder" / "picture.png")
    height, width, channels = pixels.shape
    assert (width, channels) == (1200, 4)
    assert (pixels[..., 3] == 1).all()  # opaque: as legible on a dark page as on a light one
    pixels = pixels[..., :3]
    # Nothing is cut off at the edges, and something is drawn in every quarter.
    edges = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    assert all((edge == 1).all() for edge in edges)
    for rows in (slice(None, height // 2), slice(height // 2, None)):
        assert (pixels[rows, :600] < 0.9).any()
        assert (pixels[rows, 600:] < 0.9).any()


@pytest.mark.parametrize("name", ["speakers", "timeline", "counts"])
def test_a_picture_is_the_same_whatever_style_its_caller_likes(name, tmp_path):
    plots.save(PICTURES[name](), tmp_path / "plain.png")
    colours = dict.fromkeys(("text.color", "xtick.color", "savefig.facecolor"), "red")
    with matplotlib.rc_context({"axes.facecolor": "black", "font.size": 20} | colours):
        before = dict(matplotlib.rcParams)
        plots.save(PICTURES[name](), tmp_path / "other.png")
        assert dict(matplotlib.rcParams) == before
    assert (tmp_path / "plain.png").read_bytes() == (tmp_path / "other.png").read_bytes()


def test_a_picture_that_cannot_be_drawn_leaves_the_old_one(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"old")
    figure = plots.draw_legendre()
    figure.axes[0].set_title("$\\nosuchcommand$")
    with pytest.raises(ValueError, match="nosuchcommand"):
        plots.save(figure, path)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("picture.png", b"old")]


def test_pictures_need_no_window_system():
    # pyplot is what opens windows and keeps figures.
    for path in Path(plots.__file__).parent.glob("*.py"):
        assert "pyplot" not in path.read_text(), path


def test_learning_curves_show_the_history_and_mark_the_epoch_kept():
    history = make_history()
    for axes, name in zip(
        plots.draw_learning_curves(history, 12).axes, ("loss", "uar"), strict=True
    ):
        training, validation, kept = axes.lines
        np.testing.assert_array_equal(training.get_xdata(), history.epoch)
        np.testing.assert_array_equal(training.get_ydata(), history[name])
        np.testing.assert_array_equal(validation.get_ydata(), history[f"val_{name}"])
        assert list(kept.get_xdata()) == [12, 12]
        assert axes.get_xlabel() == "epoch"
        assert axes.get_ylabel()


def test_learning_curves_without_validation_show_training_alone():
    figure = plots.draw_learning_curves(make_history(1)[["epoch", "loss", "uar"]], 1)
    for axes in figure.axes:
        assert [line.get_label() for line in axes.lines] == ["training", "epoch kept (1)"]
        # A single epoch is a point, not an invisible line.
        assert axes.lines[0].get_marker() == "o"


def test_a_confusion_shows_shares_of_the_truth_and_counts():
    figure = plots.draw_confusion([[8, 2, 0], [0, 0, 0], [1, 0, 2]], CLASSES, "Test clips")
    axes = figure.axes[0]
    assert axes.get_title() == "Test clips"
    shares = axes.images[0].get_array().filled(np.nan)
    wanted = [[0.8, 0.2, 0], [np.nan] * 3, [1 / 3, 0, 2 / 3]]
    np.testing.assert_allclose(shares, wanted, rtol=1e-12)
    assert texts(axes) == [
        *("80 %", "8", "20 %", "2", "0 %", "0"),
        *("33 %", "1", "0 %", "0", "67 %", "2"),
    ]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["happy (10)", "sad (0)", "angry (3)"]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(CLASSES)


def test_a_comparison_shows_means_and_deviations_and_hatches_what_leaks():
    (axes,) = plots.draw_comparison(make_runs()).axes
    leaky, honest = [bars for bars in axes.containers if isinstance(bars, BarContainer)]
    np.testing.assert_allclose([bar.get_height() for bar in leaky], [0.85, 0.6])
    assert honest[0].get_height() == 0.3
    assert leaky[0].get_hatch()
    assert not honest[0].get_hatch()
    assert "LEAKY" in leaky.get_label()
    (low, high), *_ = axes.collections[0].get_segments()
    assert (high - low)[1] / 2 == pytest.approx(np.std([0.9, 0.8], ddof=1))
    assert axes.lines[-1].get_ydata()[0] == 1 / 8
    # Room for the bar that the second model lacks.
    assert axes.get_xlim() == (-0.5, 1.5)


def test_curves_of_splits_show_training_and_held_out_clips():
    history = make_history().assign(accuracy=0.9, test_accuracy=0.5)
    histories = {"rows": history, "speakers": history[["epoch", "accuracy"]]}
    training, heldout = plots.draw_curves_of_splits(histories, "A model").axes
    assert [line.get_label() for line in training.lines] == ["rows (LEAKY)", "speakers"]
    assert len(heldout.lines) == 1
    np.testing.assert_array_equal(heldout.lines[0].get_ydata(), history.test_accuracy)


def test_confusions_show_shares_in_percent():
    figure = plots.draw_confusions(
        {"lmu, rows": [[8, 2], [1, 3]], "lmu, clips": [[1, 0], [0, 1]]}, "ab"
    )
    first, second = figure.axes
    assert texts(first) == ["80", "20", "25", "75"]
    assert second.get_title() == "lmu, clips"


def test_a_confusion_alone_is_drawn_as_large_as_any():
    alone = plots.draw_confusions({"lmu, rows": [[8, 2], [1, 3]]}, "ab")
    expected = plots.draw_confusion([[8, 2], [1, 3]], "ab", "lmu, rows")
    assert texts(alone.axes[0]) == texts(expected.axes[0])
    assert alone.get_figheight() == expected.get_figheight()
    assert alone.axes[0].get_title() == "lmu, rows"


def test_confusions_leave_places_empty_in_the_last_row_alone():
    figure = plots.draw_confusions({name: np.eye(2) for name in "abcd"}, "ab")
    assert [axes.axison for axes in figure.axes] == 4 * [True] + 2 * [False]


def heights(container):
    return [bar.get_height() for bar in container]


def test_speakers_stand_from_the_best_to_the_worst_beside_the_uar_of_all():
    (axes,) = plots.draw_speakers(SPEAKERS, 0.6, "Test").axes
    rates, mean = axes.lines
    assert list(rates.get_ydata()) == [0.75, 0.5]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a-2 (9)", "a-1 (8)"]
    assert mean.get_ydata()[0] == 0.6


@pytest.mark.parametrize(("number", "rotations"), [(5, {0}), (24, {90}), (41, set())])
def test_names_of_many_speakers_stand_upright_or_give_way_to_their_number(number, rotations):
    many = {f"ravdess-{n:02}": {"uar": 0.5, "n_clips": 8} for n in range(number)}
    (axes,) = plots.draw_speakers(many, 0.5, "Test").axes
    assert {label.get_rotation() for label in axes.get_xticklabels()} == rotations
    assert axes.get_xlabel() == ("speaker (clips)" if rotations else "41 speakers")


def test_calibration_shows_how_often_answers_are_right_and_marks_the_sure():
    table = make_answers()
    probabilities = table[PROBABILITIES].to_numpy()
    labels = table.emotion.map(CLASSES.index).to_numpy()
    upper, lower, coverage = plots.draw_calibration(table, CLASSES, "Test").axes
    bins = metrics.reliability(probabilities, labels)
    np.testing.assert_array_equal(heights(upper.containers[0]), bins.accuracy)
    np.testing.assert_array_equal(heights(lower.containers[0]), bins.clips)
    assert f"ECE {100 * metrics.ece(probabilities, labels):.1f} %" in upper.get_title()
    _, everything, sure = coverage.lines
    right, kept = probabilities.argmax(axis=1) == labels, ~table.unsure.to_numpy()
    np.testing.assert_allclose(everything.get_xydata(), [[1, right.mean()]])
    np.testing.assert_allclose(sure.get_xydata(), [[kept.mean(), right[kept].mean()]])


def test_counts_show_emotions_by_sex_and_speakers_by_emotion():
    index = pd.concat([make_index(), make_index(2, "tess").assign(sex="")])
    (left, right, tess, _) = plots.draw_counts(index).axes
    assert "9 clips" in left.get_title(loc="left")
    widths = [[bar.get_width() for bar in bars] for bars in left.containers]
    assert widths == [[4, 2], [2, 1], [0, 0]]  # happy and sad: female, male, unknown
    assert [bar.get_width() for bar in tess.containers[2]] == [4, 2]
    assert [heights(bars) for bars in right.containers] == [[1] * 3, [2] * 3]  # sad stands on happy
    assert [label.get_text() for label in right.get_xticklabels()] == ["00", "01", "02"]


def test_features_share_the_time_axis_of_their_waveform():
    sound, frames, _ = plots.draw_features(np.ones(8_000), 8_000, PANELS, 0.01).axes
    assert sound.get_xlim() == frames.get_xlim() == (0, 1)
    # 101 frames of 10 ms: the middle of the first is the first sample, of the last the last.
    assert frames.images[0].get_extent()[:2] == pytest.approx((-0.005, 1.005))
    np.testing.assert_array_equal(frames.images[0].get_array(), PANELS["log-mel (dB)"].T)
    assert frames.get_title() == "log-mel (dB)"


def test_a_published_row_is_shown_in_its_three_parts():
    row = np.arange(2376.0)
    for frames in (108, 41):
        panels = plots.draw_published_row(row, frames, 22).axes
        drawn = [axes.lines[0].get_xydata() for axes in panels]
        assert [len(part) for part in drawn] == [frames, frames, 2376 - 2 * frames]
        np.testing.assert_array_equal(np.concatenate(drawn), np.stack([row, row], axis=1))
        # The zeros behind a shorter clip.
        assert [patch.get_x() for patch in panels[2].patches] == ([22 * 41] if frames < 108 else [])


def test_augmentations_stand_below_the_clip_as_it_is_on_one_scale():
    examples = make_examples()
    *panels, _ = plots.draw_augmentations(examples, 8_000, 0.01, "dB").axes
    assert [axes.get_ylabel() for axes in panels[::2]] == ["as it is", "gain"]
    assert panels[0].get_ylim() == panels[2].get_ylim()
    assert panels[1].images[0].get_clim() == panels[3].images[0].get_clim()
    np.testing.assert_array_equal(panels[3].images[0].get_array(), examples["gain"][1].T)


def luminance(colour):
    """Relative luminance as WCAG 2.1 defines it."""
    rgb = np.asarray(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("percent", range(0, 51, 2))
def test_numbers_of_a_confusion_stand_out_from_their_cells(percent):
    counts = [[percent, 100 - percent], [50, 50]]
    axes = plots.draw_confusion(counts, EMOTIONS[:2], "").axes[0]
    image = axes.images[0]
    for text in axes.texts:
        column, row = text.get_position()
        share = counts[round(row)][round(column)] / 100
        dark, bright = sorted(map(luminance, (text.get_color(), image.cmap(image.norm(share))[:3])))
        # WCAG 2.1, contrast (minimum): 4.5.
        assert (bright + 0.05) / (dark + 0.05) >= 4.5


def outline(collection):
    return collection.get_paths()[0].vertices


def test_a_timeline_stacks_the_probabilities_over_the_whole_recording():
    table = make_timeline()
    (axes,) = plots.draw_timeline(table, CLASSES).axes
    assert axes.get_xlim() == (0, 12)
    total = np.zeros(len(table))
    for name, area in zip(CLASSES, axes.collections, strict=True):
        total += table[f"p_{name}"]
        points = {tuple(point) for point in outline(area).round(9)}
        assert points >= {(x, y) for x, y in zip([2, 4, 6, 8, 10], total.round(9), strict=True)}
        assert area.get_label() == name
        assert tuple(area.get_facecolor()[0][:3]) == to_rgb(plots.COLOURS[name])
    np.testing.assert_allclose(total, 1)


def test_a_timeline_shows_the_waveform_from_its_first_to_its_last_second():
    waveform = np.zeros(48_000, np.float32)
    waveform[24_000] = 0.75
    waveform[36_000] = -0.5
    sound, _ = plots.draw_timeline(make_timeline(), CLASSES, waveform, 4_000).axes
    points = outline(sound.collections[0])
    assert (points[:, 0].min(), points[:, 0].max()) == (0, 12)
    # A column is 48 samples, 0.012 s.
    assert points[points[:, 1].argmax()] == pytest.approx([6, 0.75], abs=0.012)
    assert points[points[:, 1].argmin()] == pytest.approx([9, -0.5], abs=0.012)


def test_a_timeline_of_one_short_window_is_drawn():
    figure = plots.draw_timeline(make_timeline(1), CLASSES, np.ones(1, np.float32), 4_000)
    assert len(figure.axes[1].collections) == len(CLASSES)


def test_the_legendre_polynomials_are_orthogonal_and_of_their_degree():
    axes = plots.draw_legendre().axes[0]
    delay = axes.lines[0].get_xdata()
    curves = np.array([line.get_ydata() for line in axes.lines])
    assert curves.shape == (12, 1001)
    weights = np.full(1001, 1e-3)
    weights[[0, -1]] /= 2
    # 1e-4: the error of the trapezoidal rule on 1,001 points for degree 22.
    products = curves * weights @ curves.T
    np.testing.assert_allclose(products, np.diag(1 / (2 * np.arange(12) + 1)), atol=1e-4)
    # P_0 to P_3 of 2 r - 1, written out.
    r = delay
    wanted = [np.ones_like(r), 2 * r - 1, 6 * r**2 - 6 * r + 1]
    wanted.append(20 * r**3 - 30 * r**2 + 12 * r - 1)
    np.testing.assert_allclose(curves[:4], wanted, atol=1e-12)


# What the three kinds of dichromats see, in linear RGB: Machado, Oliveira and Fernandes (2009),
# severity 1.
_SEEN_BY = {
    "everyone": np.eye(3),
    "protanopes": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopes": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopes": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def lab(linear):
    """CIE L*a*b* of linear sRGB, white D65."""
    xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.asarray(xyz) @ linear / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("seen", _SEEN_BY.values(), ids=_SEEN_BY)
def test_every_emotion_has_a_colour_that_anybody_can_tell_from_the_others(seen):
    assert tuple(plots.COLOURS) == EMOTIONS
    rgb = np.array([to_rgb(colour) for colour in plots.COLOURS.values()])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    colours = [lab(np.clip(np.asarray(seen) @ colour, 0, 1)) for colour in linear]
    for one, other in itertools.combinations(colours, 2):
        assert np.linalg.norm(one - other) > 12  # a fifth of that can be seen side by side
