"""Runs the command."""

import sys

from ser_tf.benchmark import main

sys.exit(main())
