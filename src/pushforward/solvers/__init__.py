"""Steps, step-size control, and the one loop that follows a field: `solve`.

A solver is a single step from `s` to `t`; the loop, the time grid and the trajectory belong to `solve` alone, so that
no method brings its own; rules for the grid are in `grids`. What is followed (networks, exact fields, guidance) and
what is done with the answer (likelihood, inversion) live elsewhere.
"""

from pushforward.solvers import grids
from pushforward.solvers.adams_bashforth import AdamsBashforth
from pushforward.solvers.adams_bashforth_moulton import AdamsBashforthMoulton
from pushforward.solvers.adaptive import Adaptive
from pushforward.solvers.brownian_path import BrownianPath
from pushforward.solvers.constant_acceleration import ConstantAcceleration
from pushforward.solvers.controller import PI
from pushforward.solvers.corrected import Corrected
from pushforward.solvers.ddim import DDIM
from pushforward.solvers.dopri5 import Dopri5
from pushforward.solvers.dpm_solver_pp import DPMSolverPP
from pushforward.solvers.euler import Euler
from pushforward.solvers.euler_maruyama import EulerMaruyama
from pushforward.solvers.exact_jump import ExactJump
from pushforward.solvers.heun import Heun
from pushforward.solvers.increments import Brownian, Increment, Stochastic, draws_noise
from pushforward.solvers.integrated import Integrated
from pushforward.solvers.jump import Jump
from pushforward.solvers.logit_langevin import LogitLangevin
from pushforward.solvers.midpoint import Midpoint
from pushforward.solvers.remix import Remix
from pushforward.solvers.rk4 import RK4
from pushforward.solvers.runge_kutta import Tableau
from pushforward.solvers.solve import Solution, solve
from pushforward.solvers.sra1 import SRA1
from pushforward.solvers.stochastic_heun import StochasticHeun
from pushforward.solvers.transitions import Transitions
from pushforward.solvers.tsit5 import Tsit5
from pushforward.solvers.unipc import UniPC
from pushforward.solvers.unmask import Unmask

__all__ = [
    "DDIM",
    "PI",
    "RK4",
    "SRA1",
    "AdamsBashforth",
    "AdamsBashforthMoulton",
    "Adaptive",
    "Brownian",
    "BrownianPath",
    "ConstantAcceleration",
    "Corrected",
    "DPMSolverPP",
    "Dopri5",
    "Euler",
    "EulerMaruyama",
    "ExactJump",
    "Heun",
    "Increment",
    "Integrated",
    "Jump",
    "LogitLangevin",
    "Midpoint",
    "Remix",
    "Solution",
    "Stochastic",
    "StochasticHeun",
    "Tableau",
    "Transitions",
    "Tsit5",
    "UniPC",
    "Unmask",
    "draws_noise",
    "grids",
    "solve",
]
