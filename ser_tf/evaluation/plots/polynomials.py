"""A picture of the Legendre polynomials of an LMU's memory."""

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from scipy.special import eval_sh_legendre

from ser_tf.evaluation.plots import style
from ser_tf.evaluation.plots.style import picture

_DEGREE = 11


@picture
def draw_legendre() -> Figure:
    """The shifted Legendre polynomials, whose weighted sum in an LMU's memory is the recent past.

    With the memory m, u(t - θ') is about the sum over i of P_i(2 θ'/θ - 1) m_i(t), for delays θ'
    from 0 to θ (Voelker, Kajić & Eliasmith 2019, equation 3).
    """
    figure = style.figure(4.6)
    axes = figure.subplots()
    delay = np.linspace(0, 1, 1_001)
    # The last tenth of viridis is too bright a yellow for lines on white.
    viridis = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, _DEGREE + 1))
    colours = ListedColormap(viridis)
    for i in range(_DEGREE + 1):
        axes.plot(delay, eval_sh_legendre(i, delay), color=colours(i), linewidth=1.8)
    axes.set(
        title=f"What the memory is made of: Legendre polynomials to degree {_DEGREE}",
        xlabel=r"delay $\theta'/\theta$ (0: now, 1: the oldest moment remembered)",
        ylabel=r"$P_i(2\,\theta'/\theta - 1)$",
        xlim=(0, 1),
    )
    norm = BoundaryNorm(np.arange(-0.5, _DEGREE + 1), _DEGREE + 1)
    figure.colorbar(
        ScalarMappable(norm, colours), ax=axes, ticks=range(_DEGREE + 1), label="degree i"
    )
    return figure
