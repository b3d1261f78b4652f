"""Which fields of a configuration exclude or need one another."""

from typing import TYPE_CHECKING, Any

from ser_tf.config.options import UsageError
from ser_tf.models import of_features
from ser_tf.models.augmentations import AUGMENTATIONS

if TYPE_CHECKING:
    from ser_tf.config.configuration import Config


def flag(name: str) -> str:
    """The flag of a field, as `--split-seed`."""
    return "--" + name.replace("_", "-")


def check(config: "Config") -> None:
    """Checks that no two fields contradict each other.

    Raises:
        UsageError: naming their flags.
    """
    if config.folds and config.test_speakers:
        raise UsageError("--folds and --test-speakers exclude each other.")
    if config.protocol:
        _check_protocol(config)
    if config.augment_copies:
        _check_augment_copies(config)
    if not config.test:
        _check_without_test(config)
    if config.watch_test and config.validation:
        raise UsageError("--validation and --watch-test exclude each other.")
    if config.split != "speakers" and (config.test_speakers or config.validation_speakers):
        raise UsageError("--test-speakers and --validation-speakers need --split speakers.")
    for name in ("augment", "mixup", "sounds") if config.copies == "published" else ():
        if getattr(config, name):
            raise UsageError(f"--copies published and {flag(name)} exclude each other.")
    if config.ema_momentum is not None and not config.validation:
        raise UsageError("--ema-momentum needs --validation.")
    if config.copies == "published" and config.features != "published":
        raise UsageError("--copies published needs --features published.")


def model_entry(config: "Config") -> Any:
    """The entry of the model as the registry has it.

    Raises:
        UsageError: if the model, or its LMU layer, cannot have the features.
    """
    models = of_features(config.features)
    if config.model not in models:
        raise UsageError(
            f"--features {config.features} needs a --model that follows streams; choose from "
            f"{', '.join(models)}. Received: {config.model}."
        )
    if config.lmu != "ser_tf" and config.features == "causal":
        raise UsageError(f"--lmu {config.lmu} follows no stream; --features causal needs ser_tf.")
    return models[config.model]


def refuse_nonsense(config: "Config") -> None:
    """Checks what a run could follow but nobody can mean; stored configurations may have it.

    Raises:
        UsageError: naming the flags.
    """
    excluding = {
        "--no-validation and --validation-speakers": not config.validation
        and bool(config.validation_speakers),
        "--protocol and --split-seed": bool(config.protocol and config.split_seed),
        "--augment specaugment and --features causal": config.features == "causal"
        and "specaugment" in config.augment,
        "--lmu keras_lmu and --model lmu_cell": config.lmu != "ser_tf"
        and config.model == "lmu_cell",
        # Weights are by the clips that there are, not by how often they are drawn or mixed.
        "--class-weights and --sounds": config.class_weights and config.sounds > 0,
        "--class-weights and --mixup": config.class_weights and config.mixup > 0,
        "--class-weights and --balance-corpora": config.class_weights
        and config.balance_corpora > 0,
    }
    for flags, given in excluding.items():
        if given:
            raise UsageError(f"{flags} exclude each other.")
    if config.teacher_share != type(config).teacher_share and not config.teachers:
        raise UsageError("--teacher-share needs --teachers.")
    if config.ema_momentum == 1:
        raise UsageError("--ema-momentum must be below 1, at which nothing would be learnt.")


def _check_protocol(config: "Config") -> None:
    for name in ("folds", "test_speakers", "validation_speakers"):
        if getattr(config, name):
            raise UsageError(f"--protocol and {flag(name)} exclude each other.")
    if config.split != "speakers" or not config.validation:
        raise UsageError("--protocol needs --split speakers and --validation.")


def _check_augment_copies(config: "Config") -> None:
    names = [name for name, entry in AUGMENTATIONS.items() if entry.domain == "waveform"]
    if not config.augment or not set(config.augment) <= set(names):
        raise UsageError(
            f"--augment-copies needs --augment of waveforms: choose from {', '.join(names)}."
        )


def _check_without_test(config: "Config") -> None:
    for name in ("folds", "protocol", "test_speakers"):
        if getattr(config, name):
            raise UsageError(f"--no-test and {flag(name)} exclude each other.")
    if not config.validation:
        raise UsageError("--no-test needs --validation.")
