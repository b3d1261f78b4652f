"""SpecAugment: parts of the frames are hidden."""

from typing import Any

import keras
import tensorflow as tf

from ser_tf.layers.augment.augmentation import Augmentation
from ser_tf.layers.lmu.checks import require_not_negative, require_shares


@keras.saving.register_keras_serializable(package="ser_tf")
class SpecAugment(Augmentation):
    """Hides stretches of frames and bands of channels of each item.

    Park et al. (2019), "SpecAugment", section 2, without time warping. The paper writes 0, the mean
    of its normalised features. Here features are not normalised yet, and channels differ in level
    by far more than they vary (the first MFCC lies hundreds below the others). So a hidden number
    becomes its channel's mean over the item's frames, which is near 0 once normalised.

    Input shape: `(batch, frames, channels)`.

    Args:
        time_masks: number of stretches.
        time_width_frames: length of the longest stretch.
        time_width_share: its length as a share of an item's frames at most, 0 to 1.
        channel_masks: number of bands.
        channel_width: width of the widest band, never more than half of the channels.
        seed: see `Augmentation`.
    """

    def __init__(
        self,
        *,
        time_masks: int,
        time_width_frames: int,
        time_width_share: float,
        channel_masks: int,
        channel_width: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_not_negative(
            time_masks=time_masks,
            time_width_frames=time_width_frames,
            channel_masks=channel_masks,
            channel_width=channel_width,
        )
        require_shares(time_width_share=time_width_share)
        self.time_masks = time_masks
        self.time_width_frames = time_width_frames
        self.time_width_share = time_width_share
        self.channel_masks = channel_masks
        self.channel_width = channel_width

    def augment(self, inputs: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """`inputs`, partly hidden."""
        time_seed, channel_seed = tf.unstack(tf.random.split(seed))
        batch, frames, channels = tf.unstack(tf.shape(inputs))
        share = tf.cast(self.time_width_share * tf.cast(frames, tf.float32), tf.int32)
        longest = tf.minimum(self.time_width_frames, share)
        widest = tf.minimum(self.channel_width, channels // 2)
        stretches = _masks(time_seed, (batch, self.time_masks), frames, longest)
        bands = _masks(channel_seed, (batch, self.channel_masks), channels, widest)
        hidden = stretches[:, :, tf.newaxis] | bands[:, tf.newaxis, :]
        return tf.where(hidden, tf.reduce_mean(inputs, axis=1, keepdims=True), inputs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {
            "time_masks": self.time_masks,
            "time_width_frames": self.time_width_frames,
            "time_width_share": self.time_width_share,
            "channel_masks": self.channel_masks,
            "channel_width": self.channel_width,
        }


def _masks(
    seed: tf.Tensor, shape: tuple[tf.Tensor, int], size: tf.Tensor, widest: tf.Tensor
) -> tf.Tensor:
    """Whether any of an item's masks covers a place: `(batch, size)` bool.

    Args:
        seed: int32 `(2,)`.
        shape: batch, and masks an item.
        size: how many places there are.
        widest: width of the widest mask.
    """
    width_seed, start_seed = tf.unstack(tf.random.split(seed))
    widths = tf.random.stateless_uniform((*shape, 1), width_seed, 0, widest + 1, tf.int32)
    places = tf.cast(size - widths + 1, tf.float32)
    starts = tf.cast(tf.random.stateless_uniform((*shape, 1), start_seed) * places, tf.int32)
    positions = tf.range(size)
    inside = (positions >= starts) & (positions < starts + widths)  # (batch, masks, size)
    return tf.reduce_any(inside, axis=1)
