"""Steps, step-size control, and the one loop that follows a field: `solve`.

A solver is a single step from `s` to `t`; the loop, the time grid and the trajectory belong to `solve` alone, so that
no method brings its own. What is followed (networks, exact fields, guidance) and what is done with the answer
(likelihood, inversion) live elsewhere.
"""

from pushforward.solvers.adaptive import Adaptive
from pushforward.solvers.brownian_path import BrownianPath
from pushforward.solvers.controller import PI
from pushforward.solvers.dopri5 import Dopri5
from pushforward.solvers.euler import Euler
from pushforward.solvers.euler_maruyama import EulerMaruyama
from pushforward.solvers.heun import Heun
from pushforward.solvers.increments import Brownian, Increment, Stochastic
from pushforward.solvers.integrated import Integrated
from pushforward.solvers.jump import Jump
from pushforward.solvers.midpoint import Midpoint
from pushforward.solvers.rk4 import RK4
from pushforward.solvers.runge_kutta import Tableau
from pushforward.solvers.solve import Solution, solve
from pushforward.solvers.sra1 import SRA1
from pushforward.solvers.stochastic_heun import StochasticHeun
from pushforward.solvers.tsit5 import Tsit5

__all__ = [
    "PI",
    "RK4",
    "SRA1",
    "Adaptive",
    "Brownian",
    "BrownianPath",
    "Dopri5",
    "Euler",
    "EulerMaruyama",
    "Heun",
    "Increment",
    "Integrated",
    "Jump",
    "Midpoint",
    "Solution",
    "Stochastic",
    "StochasticHeun",
    "Tableau",
    "Tsit5",
    "solve",
]
