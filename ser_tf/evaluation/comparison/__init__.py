"""Finished runs side by side: a line of CSV each, and a table of them in Markdown.

saved_models/results/NAME.csv holds the runs of one comparison. Nothing here needs TensorFlow.
"""

from ser_tf.evaluation.comparison.jobs import Job, check_folders, plan
from ser_tf.evaluation.comparison.runs import SPLITS, Result, folder_name, of_folder, split_name
from ser_tf.evaluation.comparison.saved import FOLDER, add, keep, kept, load, of_last_epochs
from ser_tf.evaluation.comparison.table import PUBLISHED, markdown

__all__ = [
    "FOLDER",
    "PUBLISHED",
    "SPLITS",
    "Job",
    "Result",
    "add",
    "check_folders",
    "folder_name",
    "keep",
    "kept",
    "load",
    "markdown",
    "of_folder",
    "of_last_epochs",
    "plan",
    "split_name",
]
