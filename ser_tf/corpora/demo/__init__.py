"""The synthetic demo corpus: `make` writes it, `synthesise` gives one clip of it.

No person speaks in it. With it, all of ser_tf runs without a download; its scores say nothing
about real speech.
"""

from ser_tf.corpora.demo.corpus import VERSION, make, paths
from ser_tf.corpora.demo.synthesis import RATE_HZ, synthesise

__all__ = ["RATE_HZ", "VERSION", "make", "paths", "synthesise"]
