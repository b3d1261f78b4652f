"""Whether a corpus is complete and its clips are sound: each defect with its file."""

import collections
import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser_tf import audio, console, parallel
from ser_tf.corpora.corpus import Corpus, Fault, Scan
from ser_tf.corpora.table import Table, describe_few
from ser_tf.emotions import in_order
from ser_tf.errors import InputError

SILENT_PEAK = 0.001
"""Peak below which a clip is silent, as a share of full scale (-60 dB), measured from the clip's
mean. RAVDESS's quietest clip peaks at -44 dB."""

FULL_SCALE = 1 - 2**-15
"""The largest sample of 16-bit audio."""

CLIPPED_SAMPLES = 4
"""Samples in a row at full scale that make a clip clipped. RAVDESS is not clipped, and none of its
clips stays at its own maximum for more than 3."""

SHORT_SECONDS = 0.6
"""Length below which a clip is too short: the published features only begin here. The shortest clip
of the four corpora lasts 1.25 s."""

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
    "leak": "warning",
    "unlabelled": "warning",
    "doubled": "warning",
    "speakers": "warning",
    "few": "warning",
    "surplus": "warning",
    "other": "note",
    "copies": "note",
}
"""The severity of each kind of finding, unless it is a known quirk of the corpus."""


@dataclass(frozen=True)
class Finding:
    """Something to know about a corpus.

    Attributes:
        severity: "error" (clips are missing or unusable), "warning" (worth a look) or "note"
            (a known quirk of the corpus, or harmless).
        kind: a key of `SEVERITIES`.
        corpus: its name.
        files: paths of the files concerned; of missing clips, their names.
        message: what was found, in one line.
    """

    severity: str
    kind: str
    corpus: str
    files: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class Health:
    """What reading a clip shows.

    Attributes:
        digest: the digest of its samples; "" if it cannot be read.
        defects: messages by their kind, a key of `SEVERITIES`.
    """

    digest: str
    defects: Mapping[str, str]


def examine(corpus: Corpus | Table, found: Scan) -> list[Finding]:
    """Reads every clip of `found`, on all cores and with a progress bar.

    Args:
        corpus: what the folder should hold.
        found: what it does hold.

    Returns:
        The findings, errors first.
    """
    with ThreadPoolExecutor(parallel.CORES) as pool:
        healths = pool.map(functools.partial(check, rate_hz=corpus.rate_hz), found.clips)
        read = console.bar(healths, corpus.name, len(found.clips))
        health = dict(zip(found.clips, read, strict=True))
    findings = [*_defects(corpus, found, health), *_identical(corpus, found, health)]
    findings += _against_names(corpus, found)
    findings += [_of_fault(corpus, fault) for fault in _faults(corpus, found)]
    return sorted(
        findings, key=lambda finding: ("error", "warning", "note").index(finding.severity)
    )


def check(path: str, rate_hz: int | None = None) -> Health:
    """Reads one clip, which should be mono at `rate_hz`, if its corpus has one rate."""
    try:
        samples, stored_rate_hz = audio.read(path)
    except (InputError, OSError) as error:
        return Health("", {_unreadable_kind(path): str(error).removeprefix(f"{path}: ")})
    seconds, wanted_hz = len(samples) / stored_rate_hz, rate_hz or stored_rate_hz
    peak = float(np.abs(samples - samples.mean(axis=0)).max())
    run = _longest_run(np.abs(samples).max(axis=1) >= FULL_SCALE)
    defects = {
        "silent": (peak < SILENT_PEAK, f"silent: its peak is {peak:.6f} of full scale."),
        "clipped": (run >= CLIPPED_SAMPLES, f"clipped: {run} samples in a row at full scale."),
        "short": (seconds < SHORT_SECONDS, f"too short: {seconds:.2f} s."),
        "rate": (stored_rate_hz != wanted_hz, f"at {stored_rate_hz} Hz, not {wanted_hz} Hz."),
        "channels": (samples.shape[1] != 1, f"{samples.shape[1]} channels, not 1."),
    }
    digest = hashlib.blake2b(samples.tobytes(), digest_size=16).hexdigest()
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
    corpus: Corpus | Table,
    kind: str,
    files: Sequence[str],
    message: str,
    *,
    names: Iterable[str] = (),
) -> Finding:
    known = bool(names) and corpus.quirks.get(kind, frozenset()).issuperset(names)
    if known:
        message += " A known quirk of the corpus."
    severity = "note" if known else SEVERITIES[kind]
    return Finding(severity, kind, corpus.name, tuple(files), message)


def _defects(
    corpus: Corpus | Table, found: Scan, healths: Mapping[str, Health]
) -> Iterator[Finding]:
    for path, health in healths.items():
        for kind, message in health.defects.items():
            yield _finding(corpus, kind, [path], message, names=[found.clips[path].name])


def _identical(
    corpus: Corpus | Table, found: Scan, healths: Mapping[str, Health]
) -> Iterator[Finding]:
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
        message = f"{len(paths)} clips hold the same audio, with {told}."
        names = [found.clips[path].name for path in paths]
        yield _finding(corpus, kind, paths, message, names=names)
        parts = {found.clips[path].part for path in paths} - {""}
        if len(parts) > 1:
            told = " and in ".join(sorted(parts))
            yield _finding(corpus, "leak", paths, f"the same audio is in {told}.")


def _faults(corpus: Corpus | Table, found: Scan) -> Iterator[Fault]:
    """What is wrong with a table by itself, and emotions that it has too few clips of."""
    yield from found.faults
    told = describe_few(labels.emotion for labels in found.clips.values())
    if told and isinstance(corpus, Table):
        yield Fault("few", (), told)


def _of_fault(corpus: Corpus | Table, fault: Fault) -> Finding:
    return _finding(corpus, fault.kind, fault.files, fault.message)


def _against_names(corpus: Corpus | Table, found: Scan) -> Iterator[Finding]:
    known = corpus.names()
    groups = {
        "missing": (sorted(known - found.names), f"of {len(known)} clips are missing."),
        "surplus": (
            [path for path, labels in found.clips.items() if known and labels.name not in known],
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
