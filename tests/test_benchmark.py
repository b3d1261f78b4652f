import argparse
import dataclasses
import functools
import json
import subprocess
import sys

import numpy as np
import pytest

from ser_tf import benchmark
from ser_tf.benchmark import lmu, rivals, step
from ser_tf.models.encoder import network

SMALL = dataclasses.replace(step.STACK, units=(6, 5), order=9, memory_d=2, theta=20.0)
OF_THE_SAME_WEIGHTS = [way for way in rivals.WAYS if way not in ("ser_tf", "LSTM")]


def encoder(way: str, pooling: str):
    entry = dataclasses.replace(SMALL, pooling=pooling)
    return network(functools.partial(entry.summarise_with, rivals.WAYS[way]), (20, 3), 8)


@pytest.mark.parametrize("pooling", ["last", "mean"])
@pytest.mark.parametrize("way", OF_THE_SAME_WEIGHTS)
def test_the_rivals_compute_what_our_layer_computes(way, pooling):
    ours, rival = encoder("ser_tf", pooling), encoder(way, pooling)
    rival.set_weights(ours.get_weights())
    clips = np.random.default_rng(0).normal(size=(3, 20, 3)).astype("float32")
    # keras_lmu computes its impulse response in float32.
    np.testing.assert_allclose(rival(clips), ours(clips), atol=1e-4)


def test_a_case_measures_time_and_memory():
    case = step.Case((20, 3), SMALL)
    built, inference, training = step.measure(case, "ser_tf", seconds=0)
    assert built["build_s"] > 0
    for name, part in (("inference", inference), ("training", training)):
        lowest, median, highest = (part[f"{name}_{of}ms"] for of in ("lowest_", "", "highest_"))
        assert 0 < lowest <= median <= highest
        # The kernel adds up pages in batches, so a peak can shrink by some hundred kilobytes.
        assert part[f"{name}_mb"] > -1


@pytest.mark.parametrize(
    ("code", "memory_gb", "seconds", "failure"),
    [
        ("pass", 1, 60, None),
        ("import time; kept = bytearray(b'x') * 300_000_000; time.sleep(60)", 0.2, 60, "0.2 GB"),
        ("import time; time.sleep(60)", 1, 0.3, "takes longer than 0.3 s"),
    ],
)
def test_a_case_that_passes_a_limit_is_ended_and_says_so(code, memory_gb, seconds, failure):
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        said = lmu.watch(process, memory_gb, seconds)
        process.kill()
    assert said is None if failure is None else failure in said


def test_a_rival_without_a_counterpart_has_no_ratio():
    result = {"training_ms": 2.0, "failure": None}
    assert lmu._ratios(result, {}) == {}
    assert "2.0 (-)" in lmu._cells(result)


def test_a_case_that_fails_keeps_its_reason(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    flags = argparse.Namespace(cases=["frames"], quick=True, memory_gb=1.0, limit_seconds=9.0)
    results = lmu.run(flags)
    assert [result["way"] for result in results] == list(rivals.WAYS)
    assert all("failed" in result["failure"] for result in results)
    assert "failed" in lmu.table(results)


@pytest.mark.slow
def test_the_lmu_benchmark_runs_each_case_in_a_process(monkeypatch, capsys):
    ways = {way: rivals.WAYS[way] for way in ("ser_tf", "LSTM")}
    monkeypatch.setattr(lmu, "WAYS", ways)
    assert benchmark.main(["lmu", "--cases", "frames-last", "--quick", "--json"]) == 0
    captured = capsys.readouterr()
    ours, lstm = json.loads(captured.out)
    assert ours["failure"] is lstm["failure"] is None
    assert ours["training_ms_times_ours"] == 1
    assert lstm["training_ms_times_ours"] == lstm["training_ms"] / ours["training_ms"]
    assert captured.err.count("frames-last") == 2
    assert "LSTM" in lmu.table([ours, lstm])
