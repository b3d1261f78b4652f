"""`python -m ser_tf.doctor`: is the data whole and sound? Counts, and each defect with its file."""

import argparse
import collections
import functools
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ser_tf import audio, console
from ser_tf.commandline import command
from ser_tf.corpora import CORPORA, REAL_CORPORA, Corpus, Scan, locate, scan
from ser_tf.emotions import in_order
from ser_tf.errors import InputError

SILENT_PEAK = 0.001
"""A clip that nowhere goes this far (-60 dB of full scale) from its mean is silent: the peak of
RAVDESS's quietest clip is at -44 dB."""

FULL_SCALE = 1 - 2**-15
"""The largest sample of 16-bit audio."""

CLIPPED_SAMPLES = 4
"""A clip with so many samples in a row at full scale is clipped: in RAVDESS, which is not, no clip
stays at its own maximum for more than 3."""

SHORT_SECONDS = 0.6
"""A clip that ends earlier is too short: the published features only begin here, and the shortest
clip of the four corpora lasts 1.25 s."""

SEVERITIES = {
    "absent": "error",
    "missing": "error",
    "unreadable": "error",
    "empty": "error",
    "pointer": "error",
    "silent": "warning",
    "clipped": "warning",
    "short": "warning",
    "rate": "warning",
    "channels": "warning",
    "identical": "warning",
    "conflicting": "warning",
    "surplus": "warning",
    "other": "note",
    "copies": "note",
}
"""Each kind of finding, and how bad it is where it is no known quirk of the corpus."""

_SHOWN_FINDINGS = 10  # of a kind and a corpus, printed; `--json` has them all
_SHOWN_FILES = 4  # of a finding


@dataclass(frozen=True)
class Finding:
    """Something to know about a corpus.

    Attributes:
        severity: "error" (clips are missing or cannot be used), "warning" (worth a look) or
            "note" (a known quirk of the corpus, or of no consequence).
        kind: a key of `SEVERITIES`.
        corpus: its name.
        files: the paths concerned, or for missing clips their names.
        message: what was found, in one line.
    """

    severity: str
    kind: str
    corpus: str
    files: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class Health:
    """What reading a clip shows: the digest of its bytes, and `defects`, messages by their kind."""

    digest: str
    defects: Mapping[str, str]


@command.command
def main(argv: Sequence[str] | None = None) -> int:
    """Checks the named corpora; returns 1 if there is an error among the findings."""
    arguments = _parser().parse_args(argv)
    scans: dict[str, Scan] = {}
    findings: list[Finding] = []
    for name in dict.fromkeys(arguments.corpora or REAL_CORPORA):
        try:
            root = locate(CORPORA[name], arguments.data_dir, arguments.cache_dir)
            scans[name] = scan(CORPORA[name], root)
            findings += examine(CORPORA[name], scans[name])
        except InputError as error:
            findings.append(Finding("error", "absent", name, (), str(error)))
    report = _as_json if arguments.json else _as_text
    sys.stdout.writelines(f"{line}\n" for line in report(scans, findings))
    if arguments.plot:
        _draw(scans, arguments.plot)
    return int(any(finding.severity == "error" for finding in findings))


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(
        "doctor", "Check corpora: counts of clips, and each defect with its file."
    )
    command.add_corpora(parser, "the four that kagglehub can download")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.png", help="also draw the counts of the clips found"
    )
    return parser


def examine(corpus: Corpus, found: Scan) -> list[Finding]:
    """Reads every clip of `found`, on all cores and with a progress bar.

    Returns:
        The findings, errors first.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        healths = pool.map(functools.partial(check, rate_hz=corpus.rate_hz), found.clips)
        read = console.bar(healths, corpus.name, len(found.clips))
        health = dict(zip(found.clips, read, strict=True))
    findings = [*_defects(corpus, found, health), *_identical(corpus, found, health)]
    findings += _against_names(corpus, found)
    return sorted(
        findings, key=lambda finding: ("error", "warning", "note").index(finding.severity)
    )


def check(path: str, rate_hz: int) -> Health:
    """Reads one clip, of a corpus of mono clips at `rate_hz`."""
    try:
        samples, stored_rate_hz = audio.read(path)
        digest = audio.digest(path)
    except (InputError, OSError) as error:
        return Health("", {_unreadable_kind(path): str(error).removeprefix(f"{path}: ")})
    seconds = len(samples) / stored_rate_hz
    peak = float(np.abs(samples - samples.mean(axis=0)).max())
    run = _longest_run(np.abs(samples).max(axis=1) >= FULL_SCALE)
    defects = {
        "silent": (peak < SILENT_PEAK, f"silent: its peak is {peak:.6f} of full scale."),
        "clipped": (run >= CLIPPED_SAMPLES, f"clipped: {run} samples in a row at full scale."),
        "short": (seconds < SHORT_SECONDS, f"too short: {seconds:.2f} s."),
        "rate": (stored_rate_hz != rate_hz, f"at {stored_rate_hz} Hz, not {rate_hz} Hz."),
        "channels": (samples.shape[1] != 1, f"{samples.shape[1]} channels, not 1."),
    }
    return Health(digest, {kind: message for kind, (ill, message) in defects.items() if ill})


def _unreadable_kind(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            head = file.read(64)
    except OSError:
        return "unreadable"
    if not head:
        return "empty"
    return "pointer" if head.startswith(audio.POINTER) else "unreadable"


def _longest_run(flags: np.ndarray) -> int:
    stops = np.flatnonzero(~np.concatenate([[False], flags, [False]]))
    return int(np.diff(stops).max()) - 1


def _finding(
    corpus: Corpus, kind: str, files: Sequence[str], message: str, names: Iterable[str] = ()
) -> Finding:
    known = bool(names) and corpus.quirks.get(kind, frozenset()).issuperset(names)
    if known:
        message += " A known quirk of the corpus."
    severity = "note" if known else SEVERITIES[kind]
    return Finding(severity, kind, corpus.name, tuple(files), message)


def _defects(corpus: Corpus, found: Scan, healths: Mapping[str, Health]) -> Iterator[Finding]:
    for path, health in healths.items():
        for kind, message in health.defects.items():
            yield _finding(corpus, kind, [path], message, [found.clips[path].name])


def _identical(corpus: Corpus, found: Scan, healths: Mapping[str, Health]) -> Iterator[Finding]:
    groups = collections.defaultdict(list)
    for path, health in healths.items():
        groups[health.digest].append(path)
    groups.pop("", None)  # the unreadable
    for paths in (group for group in groups.values() if len(group) > 1):
        emotions = in_order(found.clips[path].emotion for path in paths)
        kind, told = (
            ("conflicting", f"different emotions: {', '.join(emotions)}")
            if len(emotions) > 1
            else ("identical", f"the same emotion: {emotions[0]}")
        )
        message = f"{len(paths)} clips are byte for byte the same, with {told}."
        yield _finding(corpus, kind, paths, message, [found.clips[path].name for path in paths])


def _against_names(corpus: Corpus, found: Scan) -> Iterator[Finding]:
    known = corpus.names()
    groups = {
        "missing": (sorted(known - found.names), f"of {len(known)} clips are missing."),
        "surplus": (
            [path for path, labels in found.clips.items() if labels.name not in known],
            "clips that the corpus is not known to have.",
        ),
        "other": (
            [path for path in found.passed_over if Path(path).suffix.lower() in audio.SUFFIXES],
            "recordings are no clip of the corpus and passed over.",
        ),
        "copies": (found.copies, "second copies of clips are passed over."),
    }
    for kind, (files, told) in groups.items():
        if files:
            yield _finding(corpus, kind, files, f"{len(files)} {told}")


def _counts(found: Scan) -> dict[str, dict[str, int]]:
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for labels in found.clips.values():
        counts[labels.speaker][labels.emotion] += 1
    return {speaker: dict(counts[speaker]) for speaker in sorted(counts)}


def _draw(scans: Mapping[str, Scan], path: Path) -> None:
    """The clips of all corpora that hold some as a picture."""
    import pandas as pd

    from ser_tf.evaluation import plots

    rows = [
        (name, labels.speaker, labels.emotion, labels.sex)
        for name, found in scans.items()
        for labels in found.clips.values()
    ]
    if rows:
        index = pd.DataFrame(rows, columns=["corpus", "speaker", "emotion", "sex"])
        plots.save(plots.counts(index), path)


def _as_json(scans: Mapping[str, Scan], findings: Sequence[Finding]) -> Iterator[str]:
    corpora = {
        name: {
            "folder": found.root.as_posix(),
            "clips": len(found.clips),
            "known_clips": CORPORA[name].clips,
            "copies": len(found.copies),
            "passed_over": len(found.passed_over),
            "speakers": _counts(found),
        }
        for name, found in scans.items()
    }
    yield json.dumps({"corpora": corpora, "findings": list(map(asdict, findings))}, indent=2)


def _as_text(scans: Mapping[str, Scan], findings: Sequence[Finding]) -> Iterator[str]:
    for name, found in scans.items():
        corpus = CORPORA[name]
        yield (
            f"{corpus.title}: {len(found.clips)} clips of {corpus.clips} in {found.root}; "
            f"second copies: {len(found.copies)}, not clips: {len(found.passed_over)}."
        )
        yield f"Licence: {corpus.licence}. Cite: {corpus.citation}."
        yield from _table(_counts(found))
        yield ""
    groups = collections.defaultdict(list)
    for finding in findings:
        groups[finding.severity, finding.corpus, finding.kind].append(finding)
    for (severity, name, kind), group in groups.items():
        yield from (_line(finding, scans) for finding in group[:_SHOWN_FINDINGS])
        if more := group[_SHOWN_FINDINGS:]:
            rest = f"{len(more)} more like this (--json has all)."
            yield f"{_marked(severity)}{kind:12}{name}: {rest}"
    total = collections.Counter(finding.severity for finding in findings)
    yield f"{total['error']} errors, {total['warning']} warnings, {total['note']} notes."


def _table(counts: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    emotions = in_order(emotion for row in counts.values() for emotion in row)
    every: collections.Counter[str] = collections.Counter()
    for row in counts.values():
        every.update(row)
    yield _row("speaker", (*emotions, "total"))
    for speaker, row in (*counts.items(), ("total", every)):
        yield _row(speaker, (*(row.get(emotion, 0) for emotion in emotions), sum(row.values())))


def _row(head: str, cells: Iterable[str | int]) -> str:
    return console.row(f"{head:12}", cells)


def _marked(severity: str) -> str:
    colour = {"error": "red", "warning": "yellow"}.get(severity)
    return console.coloured(f"{severity:8}", colour) if colour else f"{severity:8}"


def _line(finding: Finding, scans: Mapping[str, Scan]) -> str:
    line = f"{_marked(finding.severity)}{finding.kind:12}{finding.corpus}: {finding.message}"
    if not finding.files:
        return line
    root = f"{scans[finding.corpus].root.as_posix()}/"
    shown = [file.removeprefix(root) for file in finding.files[:_SHOWN_FILES]]
    more = len(finding.files) - len(shown)
    return f"{line} [{', '.join(shown)}{f' and {more} more' if more else ''}]"


if __name__ == "__main__":
    sys.exit(main())
