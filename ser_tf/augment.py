"""The registry of augmentations: random changes to clips in training, each with its defaults.

To add one, write its layer in `ser_tf.layers.augment`, a dataclass here whose fields are the
layer's arguments, and a line in `AUGMENTATIONS`.
"""

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Noise:
    """Noise, white or pink, at a signal-to-noise ratio drawn from `snr_db`."""

    domain: ClassVar[str] = "waveform"
    snr_db: tuple[float, float] = (10.0, 30.0)
    color: str = "white"

    def build(self, rate_hz: int) -> "keras.Layer":
        """The layer for waveforms at any rate."""
        from ser_tf.layers import augment

        return augment.Noise(**asdict(self))


@dataclass(frozen=True)
class Channel:
    """The colour of a microphone, and for `band_share` of the clips a limited band.

    With `mu_law` the limited band is that of a telephone line, with its 8 bits.
    """

    domain: ClassVar[str] = "waveform"
    color_db: float = 5.0
    band_share: float = 0.5
    low_hz: tuple[float, float] = (50.0, 400.0)
    high_hz: tuple[float, float] = (2800.0, 8000.0)
    mu_law: bool = False

    def build(self, rate_hz: int) -> "keras.Layer":
        """The layer for waveforms at `rate_hz`."""
        from ser_tf.layers import augment

        return augment.Channel(**asdict(self), rate_hz=rate_hz)


@dataclass(frozen=True)
class Gain:
    """A change of level drawn from `gain_db`."""

    domain: ClassVar[str] = "waveform"
    gain_db: tuple[float, float] = (-6.0, 6.0)

    def build(self, rate_hz: int) -> "keras.Layer":
        """The layer for waveforms at any rate."""
        from ser_tf.layers import augment

        return augment.Gain(**asdict(self))


@dataclass(frozen=True)
class Clipping:
    """For `share` of the clips the peaks cut off, `over_db` below the highest."""

    domain: ClassVar[str] = "waveform"
    over_db: tuple[float, float] = (0.0, 20.0)
    share: float = 0.2

    def build(self, rate_hz: int) -> "keras.Layer":
        """The layer for waveforms at any rate."""
        from ser_tf.layers import augment

        return augment.Clipping(**asdict(self))


@dataclass(frozen=True)
class Shift:
    """For `share` of the clips a move in time drawn from `shift_seconds`, later above 0."""

    domain: ClassVar[str] = "waveform"
    shift_seconds: tuple[float, float] = (-0.2, 0.2)
    share: float = 1.0

    def build(self, rate_hz: int) -> "keras.Layer":
        """The layer for waveforms at `rate_hz`."""
        from ser_tf.layers import augment

        return augment.Shift(**asdict(self), rate_hz=rate_hz)


@dataclass(frozen=True)
class Pitch:
    """A shift of pitch drawn from `semitones`."""

    domain: ClassVar[str] = "waveform"
    semitones: tuple[float, float] = (-2.0, 2.0)

    def build(self, rate_hz: int) -> "keras.Layer":
        """The layer for waveforms at any rate."""
        from ser_tf.layers import augment

        return augment.Pitch(**asdict(self))


@dataclass(frozen=True)
class Stretch:
    """A change of pace drawn from `rate`; above 1 is faster."""

    domain: ClassVar[str] = "waveform"
    rate: tuple[float, float] = (0.9, 1.1)

    def build(self, rate_hz: int) -> "keras.Layer":
        """The layer for waveforms at any rate."""
        from ser_tf.layers import augment

        return augment.Stretch(**asdict(self))


@dataclass(frozen=True)
class SpecAugment:
    """Stretches of frames and bands of channels hidden."""

    domain: ClassVar[str] = "features"
    time_masks: int = 2
    time_width_frames: int = 40
    time_width_share: float = 0.2
    channel_masks: int = 2
    channel_width: int = 4

    def build(self, rate_hz: int) -> "keras.Layer":
        """The layer for frames of waveforms at any rate."""
        from ser_tf.layers import augment

        return augment.SpecAugment(**asdict(self))


Augmentation = Noise | Channel | Gain | Clipping | Shift | Pitch | Stretch | SpecAugment
"""An entry of the registry."""

AUGMENTATIONS: dict[str, Augmentation] = {
    "noise": Noise(),
    "background": Noise((5.0, 40.0), "pink"),
    "channel": Channel(),
    "telephone": Channel(
        0.0, band_share=0.4, low_hz=(200.0, 400.0), high_hz=(3000.0, 4000.0), mu_law=True
    ),
    "gain": Gain(),
    "clipping": Clipping(),
    "shift": Shift(),
    "late": Shift((0.0, 3.0), share=0.3),
    "pitch": Pitch(),
    "stretch": Stretch(),
    "specaugment": SpecAugment(),
}
"""Every augmentation by the name that flags and configurations use."""


def certain(augmentation: Any) -> Any:
    """The entry so that no clip is left as it is by chance."""
    shares = {name: 1.0 for name in ("share", "band_share") if hasattr(augmentation, name)}
    return replace(augmentation, **shares)
