"""What Python users get: load a model, ask it, score it, export it; train one.

The commands print what these functions return.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ser_tf import backend, files
from ser_tf.errors import InputError
from ser_tf.inference import model_folder, recogniser, shipped
from ser_tf.serving import targets
from ser_tf.serving.targets import Exported


class Recogniser(recogniser.Recogniser):
    """A trained model: answers recordings, can be scored, and exports itself.

    `answer`, `timeline` and `listen` take the path of a recording of any format, or samples at any
    rate, and `stream` takes it chunk by chunk: see `ser_tf.inference.recogniser.Recogniser`.
    """

    def evaluate(
        self,
        corpora: str | Iterable[str] = (),
        *,
        data_dir: str | Path | None = None,
        cache_dir: str | Path | None = None,
        robustness: bool = False,
    ) -> dict[str, Any]:
        """Scores of the model on all clips of some corpora, or on those it was tested on.

        Args:
            corpora: names of corpora; none: the clips that the model was tested on.
            data_dir: folder that holds one folder a corpus, or the corpus's own when one is named;
                None: kagglehub downloads them, and own clips lie where training found them.
            cache_dir: folder of decoded clips and features; None: `~/.cache/ser_tf`.
            robustness: whether to score the clips also louder, noisier, over the telephone and
                so on.

        Returns:
            One part of `metrics.json`: `accuracy, uar, uar_ci95, per_corpus, per_class` and so on,
            as `evaluate --json` prints it; with `robustness` such scores for each condition.

        Raises:
            InputError: if the clips cannot be had, or none is of the model's classes.
        """
        from ser_tf.evaluation.scoring import score_model

        return score_model(
            self.artifact,
            (corpora,) if isinstance(corpora, str) else corpora,
            None if data_dir is None else str(data_dir),
            cache_dir=Path(cache_dir or files.default_cache_dir()),
            robustness=robustness,
        )

    def export(self, target: str = "saved_model", **options: Any) -> Exported:
        """Writes the model in another format into its folder, and compares it with this one.

        Args:
            target: "saved_model" for TensorFlow Serving, "litert" for phones.
            **options: of "saved_model": `version`, a number, by default the next free one, and
                `serving_config=True`, which also writes settings for TensorFlow Serving.

        Returns:
            The folder that was written and lines that describe it; `print` shows them.

        Raises:
            InputError: if the target or an option is unknown, or the model cannot be written so.
        """
        return targets.export(self.artifact, target, **options)


def load(folder: str | Path | None = None) -> Recogniser:
    """A trained model.

    Args:
        folder: a model folder, which `train` and `python -m ser_tf.fit` make; None: the model
            that comes with ser_tf.

    Raises:
        InputError: if the folder is missing, incomplete or from a newer version.
    """
    chosen = shipped.model_dir() if folder is None else Path(folder)
    if chosen is None:
        raise InputError("No model came with this installation; name a model folder.")
    model_folder.load_config(chosen)  # a wrong folder is named before TensorFlow is imported
    backend.import_tensorflow()
    return Recogniser(model_folder.load(chosen))
