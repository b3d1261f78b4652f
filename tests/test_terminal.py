"""Tables fit the terminal; colour is for those who see it and want it."""

import io
import time

import pytest

from ser_tf import console, stream
from ser_tf.emotions import EMOTIONS
from ser_tf.inference.answers import Answer


class Screen(io.StringIO):
    def isatty(self):
        return True


def look_at_a_screen(monkeypatch):
    """Lets a terminal of 80 columns that shows colours be written to."""
    monkeypatch.setattr("sys.stdout", Screen())
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_a_file_gets_tables_of_full_width_and_no_colour(monkeypatch):
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert console.row("speaker     ", EMOTIONS) == "speaker     " + "".join(
        f"{name:>9}" for name in EMOTIONS
    )
    assert console.coloured("error", "red") == "error"
    assert console.of_epochs(lines=True) == 2
    assert console.of_epochs(lines=False) == 0


def test_a_terminal_gets_tables_of_its_width_and_colour(monkeypatch):
    look_at_a_screen(monkeypatch)
    assert console.row(" " * 40, ["neutral", 12_162]) == " " * 40 + "  neutral    12162"
    narrow = console.row(" " * 36, EMOTIONS)
    assert narrow.split() == "neut calm happ sad angr fear disg surp".split()
    assert len(narrow) <= 80
    # A number that is cut would be another.
    assert console.row(" " * 78, [12_162]).endswith("12162")
    assert console.coloured("error", "red") == "\x1b[31merror\x1b[0m"
    assert console.of_epochs(lines=False) == 1


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_no_colour_gets_none_and_a_line_an_epoch(name, value, monkeypatch):
    look_at_a_screen(monkeypatch)
    monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stderr", Screen())
    assert console.coloured("error", "red") == "error"
    assert console.of_epochs(lines=False) == 2


def test_an_empty_wish_for_no_colour_is_none(monkeypatch):
    look_at_a_screen(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "")
    assert console.has_colour()


def test_a_stream_stays_on_its_line(monkeypatch):
    look_at_a_screen(monkeypatch)
    answer = Answer("surprise", 1.0, dict.fromkeys(EMOTIONS, 1.0), True)
    for line in (stream._heading(EMOTIONS), stream._as_row(3599.5, answer)):
        assert len(line.rstrip("\n")) <= 80


def test_a_bar_is_shown_where_somebody_waits(monkeypatch, capsys):
    def slowly():
        for number in range(3):
            time.sleep(0.5)
            yield number

    assert list(console.bar(slowly(), "decoding", 3)) == [0, 1, 2]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(console, "is_watched", lambda: True)
    assert list(console.bar(slowly(), "decoding", 3)) == [0, 1, 2]
    assert "decoding: 100%" in capsys.readouterr().err


def test_a_log_has_a_line_a_minute(monkeypatch, caplog):
    clock = iter(range(0, 1000, 25))  # a clip every 25 seconds
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    with caplog.at_level("INFO", logger="ser_tf"):
        assert list(console.bar("abcdefg", "decoding", 7)) == list("abcdefg")
    assert caplog.messages == ["Decoding: 2 of 7 clips.", "Decoding: 5 of 7 clips."]


def test_a_long_prediction_shows_a_bar_in_a_terminal_alone(monkeypatch):
    assert console.of_prediction(9_999) == 0
    look_at_a_screen(monkeypatch)
    assert console.of_prediction(9_999) == 1
    assert console.of_prediction(100) == 0
