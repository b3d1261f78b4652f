"""`python -m ser_tf.doctor`: is the data complete and sound? Counts, and defects by file."""

import argparse
import collections
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ser_tf import console, corpora, home
from ser_tf.commandline import flags
from ser_tf.commandline.command import command, make_parser
from ser_tf.corpora import REAL_CORPORA, Corpus, Scan, Table, health
from ser_tf.corpora.health import Finding
from ser_tf.data import inventory
from ser_tf.data.inventory import Holding
from ser_tf.emotions import in_order
from ser_tf.errors import InputError

_SHOWN_FINDINGS = 10  # of a kind and a corpus, printed; `--json` has them all
_SHOWN_FILES = 4  # of a finding


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Checks the named corpora, or shows the cache; returns 1 if there is an error to report."""
    arguments = _parser().parse_args(argv)
    if arguments.cache:
        return _cache(arguments)
    scans: dict[str, Scan] = {}
    findings: list[Finding] = []
    names = dict.fromkeys(arguments.corpora or REAL_CORPORA)
    corpora.check_names(names)
    entries = {corpus.name: corpus for corpus in map(corpora.entry, names)}
    for name, corpus in entries.items():
        try:
            scans[name] = corpora.find(
                corpus, arguments.data_dir, arguments.cache_dir, arguments.map or ()
            )
            findings += health.examine(corpus, scans[name])
        except InputError as error:
            findings.append(
                Finding("error", "absent", name, (), str(error).removeprefix(f"{name}: "))
            )
    report = _as_json if arguments.json else _as_text
    sys.stdout.writelines(f"{line}\n" for line in report(entries, scans, findings))
    if arguments.plot:
        _draw(scans, arguments.plot)
    return int(any(finding.severity == "error" for finding in findings))


def _parser() -> argparse.ArgumentParser:
    parser = make_parser(
        "doctor",
        "Check corpora: counts of clips, and each defect with its file. Or list the cache.",
    )
    flags.add_corpora(parser, "the four that kagglehub can download")
    flags.add_map(parser, "change what clips are called")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--plot",
        type=flags.path,
        metavar="FILE.png",
        help="also draw the counts of the clips found",
    )
    parser.add_argument(
        "--cache",
        nargs="?",
        const="list",
        choices=("list", "prune"),
        help="instead list what the cache holds; prune: also remove what is no longer used "
        "(asks first in a terminal)",
    )
    return parser


def _cache(arguments: argparse.Namespace) -> int:
    """Lists what the cache holds; with `prune`, removes what is no longer used."""
    cache_dir = arguments.cache_dir or home.default_cache_dir()
    held = inventory.survey(cache_dir)
    unused = [holding for holding in held if not holding.used]
    if arguments.json:
        sys.stdout.write(json.dumps(_cache_as_json(cache_dir, held), indent=2) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in _cache_as_text(cache_dir, held))
    if arguments.cache == "prune" and unused and _is_agreed():
        for holding in unused:
            inventory.remove(holding)
        freed = _megabytes(sum(holding.size_bytes for holding in unused))
        sys.stderr.write(f"Removed the unused entries: {freed} are free.\n")
    return 0


def _is_agreed() -> bool:
    """Asks a person at a terminal; without one, the flag itself is the agreement."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    sys.stdout.flush()  # what is to be removed
    sys.stderr.write("Remove the unused entries? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _cache_as_text(cache_dir: Path, held: Sequence[Holding]) -> Iterator[str]:
    yield f"{cache_dir}:"
    yield f"{'kind':<11}{'version':<9}{'entries':>9}{'size':>12}"
    for holding in held:
        size = _megabytes(holding.size_bytes)
        line = f"{holding.kind:<11}{holding.version:<9}{len(holding.paths):>9}{size:>12}"
        yield line if holding.used else f"{line}  unused"
    unused = [holding for holding in held if not holding.used]
    if unused:
        count = sum(len(holding.paths) for holding in unused)
        size = _megabytes(sum(holding.size_bytes for holding in unused))
        yield f"Unused: {count} entries, {size}; `--cache prune` removes them."
    else:
        yield "Nothing in it is unused."


def _cache_as_json(cache_dir: Path, held: Sequence[Holding]) -> dict[str, Any]:
    entries = [
        {
            "kind": holding.kind,
            "version": holding.version,
            "used": holding.used,
            "entries": len(holding.paths),
            "size_bytes": holding.size_bytes,
        }
        for holding in held
    ]
    return {"cache_dir": str(cache_dir), "holdings": entries}


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB"


def _counts(found: Scan) -> dict[str, dict[str, int]]:
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for labels in found.clips.values():
        counts[labels.speaker][labels.emotion] += 1
    return {speaker: dict(counts[speaker]) for speaker in sorted(counts)}


def _draw(scans: Mapping[str, Scan], path: Path) -> None:
    """The clips of all corpora that hold some as a picture."""
    home.provide_for_libraries()
    import pandas as pd

    from ser_tf.evaluation import plots

    rows = [
        (name, labels.speaker, labels.emotion, labels.sex)
        for name, found in scans.items()
        for labels in found.clips.values()
    ]
    if rows:
        index = pd.DataFrame(rows, columns=["corpus", "speaker", "emotion", "sex"])
        plots.save(plots.draw_counts(index), path)


def _as_json(
    entries: Mapping[str, Corpus | Table], scans: Mapping[str, Scan], findings: Sequence[Finding]
) -> Iterator[str]:
    found_in = {
        name: {
            "folder": found.root.as_posix(),
            "clips": len(found.clips),
            "known_clips": len(entries[name].names()) or None,
            "copies": len(found.copies),
            "passed_over": len(found.passed_over),
            "speakers": _counts(found),
        }
        for name, found in scans.items()
    }
    yield json.dumps({"corpora": found_in, "findings": list(map(asdict, findings))}, indent=2)


def _as_text(
    entries: Mapping[str, Corpus | Table], scans: Mapping[str, Scan], findings: Sequence[Finding]
) -> Iterator[str]:
    for name, found in scans.items():
        corpus = entries[name]
        yield corpus.describe(found)
        if isinstance(corpus, Corpus):
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
