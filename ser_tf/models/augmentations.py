"""The registry of augmentations: random changes to clips in training, each with its defaults.

To add one, write its layer in `ser_tf.layers.augment`, a dataclass of its name here whose fields
are the layer's arguments, and a line in `AUGMENTATIONS`.
"""

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Augmentation:
    """An entry of the registry, for the layer that is called as its class is.

    Attributes:
        domain: what the layer changes: "waveform" or "features".
        needs_rate: whether it must be told the sample rate.
    """

    domain: ClassVar[str] = "waveform"
    needs_rate: ClassVar[bool] = False

    def build(self, rate_hz: int) -> "keras.Layer":
        """The layer for waveforms at `rate_hz`, or for frames of such."""
        from ser_tf.layers import augment

        layer = getattr(augment, type(self).__name__)
        rate = {"rate_hz": rate_hz} if self.needs_rate else {}
        built: keras.Layer = layer(**asdict(self), **rate)
        return built


@dataclass(frozen=True)
class Noise(Augmentation):
    """Noise, white or pink, at a signal-to-noise ratio drawn from `snr_db`."""

    snr_db: tuple[float, float] = (10.0, 30.0)
    color: str = "white"


@dataclass(frozen=True)
class Channel(Augmentation):
    """The colour of a microphone, and for `band_share` of the clips a limited band.

    With `mu_law` the limited band is that of a telephone line, with its 8 bits.
    """

    needs_rate: ClassVar[bool] = True
    color_db: float = 5.0
    band_share: float = 0.5
    low_hz: tuple[float, float] = (50.0, 400.0)
    high_hz: tuple[float, float] = (2800.0, 8000.0)
    mu_law: bool = False


@dataclass(frozen=True)
class Gain(Augmentation):
    """A change of level drawn from `gain_db`."""

    gain_db: tuple[float, float] = (-6.0, 6.0)


@dataclass(frozen=True)
class Clipping(Augmentation):
    """For `share` of the clips the peaks cut off, `over_db` below the highest."""

    over_db: tuple[float, float] = (0.0, 20.0)
    share: float = 0.2


@dataclass(frozen=True)
class Recording(Augmentation):
    """For `share` of the clips another level, drawn from `gain_db`, in whole numbers of 16 bits.

    What is too soft is rounded away, what is too loud cut off.
    """

    gain_db: tuple[float, float] = (-36.0, 20.0)
    share: float = 0.5
    bits: int = 16


@dataclass(frozen=True)
class Shift(Augmentation):
    """For `share` of the clips a move in time drawn from `shift_seconds`, later above 0."""

    needs_rate: ClassVar[bool] = True
    shift_seconds: tuple[float, float] = (-0.2, 0.2)
    share: float = 1.0


@dataclass(frozen=True)
class Pitch(Augmentation):
    """A shift of pitch drawn from `semitones`."""

    semitones: tuple[float, float] = (-2.0, 2.0)


@dataclass(frozen=True)
class Stretch(Augmentation):
    """A change of pace drawn from `rate`; above 1 is faster."""

    rate: tuple[float, float] = (0.9, 1.1)


@dataclass(frozen=True)
class SpecAugment(Augmentation):
    """Stretches of frames and bands of channels hidden."""

    domain: ClassVar[str] = "features"
    time_masks: int = 2
    time_width_frames: int = 40
    time_width_share: float = 0.2
    channel_masks: int = 2
    channel_width: int = 4


AUGMENTATIONS: dict[str, Augmentation] = {
    "noise": Noise(),
    "background": Noise((5.0, 40.0), "pink"),
    "channel": Channel(),
    "telephone": Channel(
        0.0, band_share=0.4, low_hz=(200.0, 400.0), high_hz=(3000.0, 4000.0), mu_law=True
    ),
    "gain": Gain(),
    "clipping": Clipping(),
    "recording": Recording(),
    "shift": Shift(),
    "late": Shift((0.0, 3.0), share=0.3),
    "pitch": Pitch(),
    "stretch": Stretch(),
    "specaugment": SpecAugment(),
}
"""Every augmentation by the name that flags and configurations use."""


def certain(augmentation: Augmentation) -> Augmentation:
    """The entry so that no clip is left as it is by chance."""
    shares = {name: 1.0 for name in ("share", "band_share") if hasattr(augmentation, name)}
    return replace(augmentation, **shares)
