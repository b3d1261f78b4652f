"""How good a model is: metrics, reports, robustness, comparisons, pictures."""
