"""Finished runs side by side: a line of CSV each, and a table of them in Markdown.

saved_models/results/NAME.csv holds the runs of one comparison. Nothing here needs TensorFlow.
"""

from ser_tf.evaluation.comparison.jobs import Job, check_folders, plan
from ser_tf.evaluation.comparison.runs import SPLITS, Result, name_folder, name_split, read_run
from ser_tf.evaluation.comparison.saved import FOLDER, add, find_kept, keep, load, load_last_epochs
from ser_tf.evaluation.comparison.table import PUBLISHED, markdown

__all__ = [
    "FOLDER",
    "PUBLISHED",
    "SPLITS",
    "Job",
    "Result",
    "add",
    "check_folders",
    "find_kept",
    "keep",
    "load",
    "load_last_epochs",
    "markdown",
    "name_folder",
    "name_split",
    "plan",
    "read_run",
]
