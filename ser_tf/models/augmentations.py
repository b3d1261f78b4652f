"""The registry of augmentations: random changes to clips in training.

To add one, write its layer in `ser_tf.layers.augment` and a line in `AUGMENTATIONS`.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

_SHARES = ("share", "band_share")


@dataclass(frozen=True)
class Augmentation:
    """A line of the table.

    Attributes:
        layer: name of a class in `ser_tf.layers.augment`.
        settings: its arguments, but for the sample rate and the seed.
        domain: what the layer changes: "waveform" or "features".
    """

    layer: str
    settings: Mapping[str, Any]
    domain: str = "waveform"

    def build(self, rate_hz: int) -> "keras.Layer":
        """The layer for waveforms at `rate_hz`, or for their features.

        Raises:
            ValueError: if a setting breaks its rule.
        """
        from ser_tf.layers import augment

        make = getattr(augment, self.layer)
        needs_rate = "rate_hz" in inspect.signature(make).parameters
        layer: keras.Layer = make(**self.settings, **({"rate_hz": rate_hz} if needs_rate else {}))
        return layer


AUGMENTATIONS: dict[str, Augmentation] = {
    "noise": Augmentation("Noise", {"snr_db": (10.0, 30.0), "color": "white"}),
    "background": Augmentation("Noise", {"snr_db": (5.0, 40.0), "color": "pink"}),
    "channel": Augmentation(
        "Channel",
        {
            "color_db": 5.0,
            "band_share": 0.5,
            "low_hz": (50.0, 400.0),
            "high_hz": (2800.0, 8000.0),
            "mu_law": False,
        },
    ),
    "telephone": Augmentation(
        "Channel",
        {
            "color_db": 0.0,
            "band_share": 0.4,
            "low_hz": (200.0, 400.0),
            "high_hz": (3000.0, 4000.0),
            "mu_law": True,
        },
    ),
    "gain": Augmentation("Gain", {"gain_db": (-6.0, 6.0)}),
    "clipping": Augmentation("Clipping", {"over_db": (0.0, 20.0), "share": 0.2}),
    "recording": Augmentation("Recording", {"gain_db": (-36.0, 20.0), "share": 0.5, "bits": 16}),
    "shift": Augmentation("Shift", {"shift_seconds": (-0.2, 0.2), "share": 1.0}),
    "late": Augmentation("Shift", {"shift_seconds": (0.0, 3.0), "share": 0.3}),
    "pitch": Augmentation("Pitch", {"semitones": (-2.0, 2.0)}),
    "stretch": Augmentation("Stretch", {"rate": (0.9, 1.1)}),
    "specaugment": Augmentation(
        "SpecAugment",
        {
            "time_masks": 2,
            "time_width_frames": 40,
            "time_width_share": 0.2,
            "channel_masks": 2,
            "channel_width": 4,
        },
        domain="features",
    ),
}
"""Every augmentation by the name that flags and configurations use."""


def certain(augmentation: Augmentation) -> Augmentation:
    """The augmentation applied to every clip, where its line says to a share of them."""
    shares = {name: 1.0 for name in _SHARES if name in augmentation.settings}
    return replace(augmentation, settings={**augmentation.settings, **shares})
