"""SpecAugment: parts of the frames hidden."""

from typing import Any

import keras
import tensorflow as tf

from ser_tf.layers.augment.augmentation import Augmentation, proportion


@keras.saving.register_keras_serializable(package="ser_tf")
class SpecAugment(Augmentation):
    """Stretches of frames and bands of channels hidden in each item.

    Park et al. (2019), "SpecAugment", section 2, without time warping. The paper hides with the
    mean of normalised features, 0. These are not normalised yet, and their channels differ in
    level by far more than they vary (the first MFCC lies hundreds below the others), so what is
    hidden takes its own channel's mean over the item's frames: nothing to learn from, and near 0
    once normalised.

    Input shape: `(batch, frames, channels)`.

    Args:
        time_masks: how many stretches are hidden.
        time_width_frames: the longest stretch.
        time_width_share: the longest stretch as a share of the frames, 0 to 1, for short items.
        channel_masks: how many bands are hidden.
        channel_width: the widest band; never more than half of the channels.
        seed: see `Augmentation`.
    """

    def __init__(
        self,
        time_masks: int,
        time_width_frames: int,
        time_width_share: float,
        channel_masks: int,
        channel_width: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        counts = (time_masks, time_width_frames, channel_masks, channel_width)
        if min(counts) < 0:
            raise ValueError(f"Numbers and widths of masks are not negative. Received: {counts}.")
        self.time_masks = time_masks
        self.time_width_frames = time_width_frames
        self.time_width_share = proportion("time_width_share", time_width_share)
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
    """Where any of an item's masks hides: `(batch, size)` bool; `shape` is batch and masks."""
    width_seed, start_seed = tf.unstack(tf.random.split(seed))
    widths = tf.random.stateless_uniform((*shape, 1), width_seed, 0, widest + 1, tf.int32)
    places = tf.cast(size - widths + 1, tf.float32)
    starts = tf.cast(tf.random.stateless_uniform((*shape, 1), start_seed) * places, tf.int32)
    positions = tf.range(size)
    inside = (positions >= starts) & (positions < starts + widths)  # (batch, masks, size)
    return tf.reduce_any(inside, axis=1)
