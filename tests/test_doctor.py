"""What the doctor finds in corpora with one defect each, and that it finds nothing else."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser_tf import doctor
from ser_tf.corpora import CORPORA, health, locate, scan

RATE_HZ = CORPORA["demo"].rate_hz
CLIP = "demo-03/demo-03_sad_s2_t1.wav"


def tone(seconds: float = 1.0, amplitude: float = 0.5, channels: int = 1) -> np.ndarray:
    phase = 2 * np.pi * 440 * np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return np.tile(amplitude * np.sin(phase)[:, None], (1, channels))


def write(path: Path, samples: np.ndarray, rate_hz: int = RATE_HZ) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate_hz, subtype="PCM_16")


@pytest.fixture(autouse=True)
def two_speakers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the demo corpus have 32 clips, so that a test need not write 320."""
    names = CORPORA["demo"].names()
    kept = frozenset(name for name in names if name[:7] in ("demo-03", "demo-04") and "_t1" in name)
    small = dataclasses.replace(CORPORA["demo"], clips=len(kept), names=lambda: kept)
    monkeypatch.setitem(CORPORA, "demo", small)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """The demo corpus by its names, each clip a tone of its own length."""
    for number, name in enumerate(sorted(CORPORA["demo"].names())):
        write(tmp_path / name[:7] / f"{name}.wav", tone(0.7 + number / RATE_HZ))
    return tmp_path


def findings(root: Path, name: str = "demo") -> list[health.Finding]:
    return health.examine(CORPORA[name], scan(CORPORA[name], locate(CORPORA[name], root)))


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    code = doctor.main([str(argument) for argument in arguments])
    return code, capsys.readouterr().out


def test_a_healthy_corpus_has_no_finding(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert findings(corpus) == []
    code, out = run(capsys, "--corpora", "demo", "--data-dir", corpus)
    assert code == 0
    assert "0 errors, 0 warnings, 0 notes." in out


def test_the_counts_are_drawn_on_request(corpus: Path, tmp_path: Path) -> None:
    flags = ["--corpora", "demo", "--data-dir", str(corpus), "--plot", str(tmp_path / "counts.png")]
    assert doctor.main(flags) == 0
    assert (tmp_path / "counts.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_is_drawn_of_no_clips(tmp_path: Path) -> None:
    flags = ["--corpora", "demo", "--data-dir", str(tmp_path), "--plot", str(tmp_path / "no.png")]
    assert doctor.main(flags) == 1
    assert not list(tmp_path.iterdir())


def test_the_table_counts_speakers_by_emotions(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (corpus / CLIP).unlink()
    _, out = run(capsys, "--corpora", "demo", "--data-dir", corpus)
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line}
    assert rows["speaker"] == [
        *("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise", "total")
    ]
    assert rows["demo-03"] == ["2", "2", "2", "1", "2", "2", "2", "2", "15"]
    assert rows["demo-04"] == ["2"] * 8 + ["16"]
    assert rows["total"] == ["4", "4", "4", "3", "4", "4", "4", "4", "31"]


def truncated_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


def wav_without_samples(path: Path) -> None:
    write(path, np.zeros((0, 1)))


def with_a_nan(path: Path) -> None:
    samples = tone()
    samples[100] = np.nan
    soundfile.write(path, samples, RATE_HZ, subtype="FLOAT")


def git_lfs_pointer(path: Path) -> None:
    path.write_text(
        "version https://git-lfs.github.com/spec/v1\n"
        "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
        "size 12345\n"
    )


def clipped(path: Path, run_samples: int) -> None:
    samples = tone()
    samples[1000 : 1000 + run_samples] = 1.0
    write(path, samples)


DEFECTS: dict[str, tuple[str, str, Callable[[Path], None]]] = {
    "no bytes": ("empty", "error", lambda path: path.write_bytes(b"")),
    "half a header": ("unreadable", "error", truncated_header),
    "no samples": ("unreadable", "error", wav_without_samples),
    "text": ("unreadable", "error", lambda path: path.write_text("not audio")),
    "not a number": ("unreadable", "error", with_a_nan),
    "a pointer": ("pointer", "error", git_lfs_pointer),
    "zeros": ("silent", "warning", lambda path: write(path, 0 * tone())),
    "a constant": ("silent", "warning", lambda path: write(path, 0 * tone() + 0.3)),
    "a whisper below -60 dB": ("silent", "warning", lambda path: write(path, tone(1, 0.0009))),
    "4 samples at full scale": ("clipped", "warning", lambda path: clipped(path, 4)),
    "half a second": ("short", "warning", lambda path: write(path, tone(0.5))),
    "48 kHz": ("rate", "warning", lambda path: write(path, tone(3), 48_000)),
    "stereo": ("channels", "warning", lambda path: write(path, tone(1, 0.5, 2))),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_of_a_clip_is_found_with_its_file(defect: str, tmp_path: Path) -> None:
    kind, severity, spoil = DEFECTS[defect]
    write(tmp_path / CLIP, tone())
    spoil(tmp_path / CLIP)
    found = [finding for finding in findings(tmp_path) if finding.kind != "missing"]
    assert [(finding.kind, finding.severity) for finding in found] == [(kind, severity)]
    assert found[0].files == ((tmp_path / CLIP).as_posix(),)
    assert found[0].message
    assert tmp_path.as_posix() not in found[0].message


@pytest.mark.parametrize(
    "samples",
    [tone(0.6), tone(1, 0.0011), tone(1, 0.0011) + 0.3, tone(1, 1.0)],
    ids=["0.6 s", "-59 dB", "-59 dB and DC", "a full-scale sine"],
)
def test_what_is_within_the_limits_is_no_finding(samples: np.ndarray, tmp_path: Path) -> None:
    write(tmp_path / CLIP, samples)
    assert [finding.kind for finding in findings(tmp_path)] == ["missing"]


def test_three_samples_at_full_scale_are_no_clipping(tmp_path: Path) -> None:
    clipped(tmp_path / CLIP, 3)
    assert [finding.kind for finding in findings(tmp_path)] == ["missing"]


@pytest.mark.parametrize(
    ("twin", "kind"), [("sad_s1_t1", "identical"), ("fear_s1_t1", "conflicting")]
)
def test_identical_clips_are_found_with_their_labels(twin: str, kind: str, corpus: Path) -> None:
    other = corpus / "demo-03" / f"demo-03_{twin}.wav"
    other.write_bytes((corpus / CLIP).read_bytes())
    (finding,) = findings(corpus)
    assert (finding.kind, finding.severity) == (kind, "warning")
    assert set(finding.files) == {other.as_posix(), (corpus / CLIP).as_posix()}
    assert ("sad, fear" in finding.message) == (kind == "conflicting")


def test_unreadable_clips_are_not_called_identical(corpus: Path) -> None:
    for path in sorted((corpus / "demo-04").iterdir())[:2]:
        path.write_bytes(b"")
    assert [finding.kind for finding in findings(corpus)] == ["empty", "empty"]


def test_a_clip_that_vanishes_meanwhile_is_unreadable(tmp_path: Path) -> None:
    found = health.check(f"{tmp_path}/gone.wav", RATE_HZ)
    assert found.defects == {"unreadable": "no such file or directory."}


def test_missing_clips_are_named(corpus: Path) -> None:
    (corpus / CLIP).unlink()
    (finding,) = findings(corpus)
    assert (finding.kind, finding.severity) == ("missing", "error")
    assert finding.files == ("demo-03_sad_s2_t1",)
    assert "1 of 32" in finding.message


def test_surplus_clips_recordings_and_copies_are_told_apart(corpus: Path) -> None:
    write(corpus / "demo-11_sad_s1_t1.wav", tone())
    write(corpus / "noise.wav", tone())
    (corpus / "readme.txt").touch()
    write(corpus / "z" / Path(CLIP).name, tone())
    found = {finding.kind: (finding.severity, finding.files) for finding in findings(corpus)}
    root = corpus.as_posix()
    assert found == {
        "surplus": ("warning", (f"{root}/demo-11_sad_s1_t1.wav",)),
        "other": ("note", (f"{root}/noise.wav",)),
        "copies": ("note", (f"{root}/z/demo-03_sad_s2_t1.wav",)),
    }


def test_the_known_quirks_of_ravdess_are_notes(tmp_path: Path) -> None:
    quirks = CORPORA["ravdess"].quirks
    for number, name in enumerate(sorted(quirks["channels"])):
        write(tmp_path / f"{name}.wav", tone(4, 0.1 * (number + 1), 2), 48_000)
    for name in quirks["identical"]:
        write(tmp_path / f"{name}.wav", tone(4), 48_000)
    write(tmp_path / "03-01-01-01-01-01-01.wav", tone(4, 0.35, 2), 48_000)
    found = [finding for finding in findings(tmp_path, "ravdess") if finding.kind != "missing"]
    assert [(finding.severity, finding.kind) for finding in found] == [
        ("warning", "channels"),
        *[("note", "channels")] * 5,
        ("note", "identical"),
    ]


def test_every_quirk_is_a_kind_of_finding() -> None:
    kinds = {kind for corpus in CORPORA.values() for kind in corpus.quirks}
    assert kinds <= set(health.SEVERITIES)


def test_an_error_exits_with_1_and_names_its_file(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (corpus / CLIP).write_bytes(b"")
    code, out = run(capsys, "--corpora", "demo", "--data-dir", corpus)
    assert code == 1
    assert f"[{CLIP}]" in out
    assert "1 errors, 0 warnings, 0 notes." in out


def test_many_findings_of_a_kind_are_printed_in_part_and_all_in_json(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (corpus / "demo-03").iterdir():
        write(path, 0 * tone())
    arguments = ("--corpora", "demo", "--data-dir", corpus)
    code, out = run(capsys, *arguments)
    assert code == 0
    assert sum(line.startswith("warning silent") for line in out.splitlines()) == 11
    assert "6 more like this" in out
    report = json.loads(run(capsys, *arguments, "--json")[1])
    assert sum(finding["kind"] == "silent" for finding in report["findings"]) == 16


def test_json_holds_counts_and_findings(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (corpus / CLIP).unlink()
    code, out = run(capsys, "--corpora", "demo", "--data-dir", corpus, "--json")
    report = json.loads(out)
    assert code == 1
    assert report["corpora"]["demo"]["speakers"]["demo-03"]["sad"] == 1
    assert {key: report["corpora"]["demo"][key] for key in ("clips", "known_clips")} == {
        **{"clips": 31, "known_clips": 32}
    }
    assert report["findings"] == [
        {
            "severity": "error",
            "kind": "missing",
            "corpus": "demo",
            "files": ["demo-03_sad_s2_t1"],
            "message": "1 of 32 clips are missing.",
        }
    ]


def test_an_absent_corpus_is_a_finding_and_the_others_are_still_checked(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = run(capsys, "--corpora", "tess", "demo", "--data-dir", corpus)
    assert code == 1
    assert "no clip of TESS" in out
    assert "32 clips of 32" in out


def test_an_unknown_corpus_exits_with_2_and_names_the_choices(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as exit_:
        doctor.main(["--corpora", "emodb"])
    assert exit_.value.code == 2
    assert "ravdess" in capsys.readouterr().err
