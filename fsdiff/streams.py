"""What random numbers are drawn for: a number for each purpose, in one table.

The numbers name streams of ``fsdiff.randomness``. They are never changed nor used again, since
results would change with them; new purposes get new ones. So this table is no part of fingerprints:
an entry more runs nothing again.
"""

from enum import IntEnum, unique


@unique
class Stream(IntEnum):
    """The number of each purpose that shares a seed with others."""

    NOISE = 1
    """Noise that samples start from."""
    SAMPLER_STEP = 2
    """Noise that samplers add."""
    PRIOR = 3
    """Fields that are drawn from a measure to be data."""
    START = 4
    """Which training field a sample starts from."""

    INITIAL_WEIGHTS = 10
    ORDER = 11
    """Order of training fields in an epoch."""
    TRAINING_STEP = 12
    """Times and noise of a training batch."""
    VALIDATION = 13

    SURROGATE = 21
    WHITE_NOISE = 22
    """The row of white noise in an evaluation."""
    FLOOR = 23
    """Divisions of real data into two sets."""
    CLASSES = 24
    """Weights, order and moves of classifiers of labelled data."""
    TIES = 25
    """The order of equal values in the ranks of given fields."""

    ENSEMBLE = 31
    """Paths of exact experiments."""
    TRUNCATED_PATH = 32
    SINGULARITY = 33
    FITTED_DATA = 34
    FITTED_LOSS = 35
    FITTED_WEIGHTS = 36
    SCORE_ERROR = 37
    PARAMETERISATION = 38
    MANIFOLD = 39
    """Random sets of points that are a law."""
    MANIFOLD_SAMPLING = 40
    """Points of a law that samples are compared with."""
    DRIFT = 41
    CALIBRATION = 45
    """Fields and permutations of two-sample tests that are tried on known laws."""
    POINT_SETS = 46
    """Networks, points, data and noise of models on many sets of points."""
    EXPECTATION = 47
    """States at which conditional expectations are compared."""

    CHAIN_START = 61
    """Where Markov chains start."""
    CHAIN_STEP = 62
    """Proposals of Markov chains, and whether they are accepted."""
    CONDITIONAL = 64
    """Draws from Gaussian posteriors."""
    RANK_TIES = 65
    CLASSIFIER = 66
    """Folds and weights of classifiers that tell draws from a reference."""
    CASE = 67
    """Seeds of references, one for each case."""
    CHANCE = 68
    """Which draws play the truth where it is tried what chance does."""
    ANNEALING = 69
    """Ensembles that lead Markov chains from the prior to the posterior."""
    ADAPTATION = 70
    """Seeds of the rounds in which Markov chains learn the law of their steps."""
    EXCHANGE = 71
    """Chains beside those of a posterior, and whether they swap with each other."""
    DIRECTIONS = 72
    """Functions that draws of posteriors are projected on."""
    ASSIMILATION = 73
    """Ensembles that take data in, and the errors that these are given."""
    CONVOLUTIONS = 74
    """Random kernels whose responses tell classes."""

    INITIAL_STATE = 101
    """Initial states of equations in time."""
    FORCING = 102
    GEOMETRY = 111
    """From where a radar looks at a scene."""
    DEFORMATION = 112
    """What moves the ground of a scene."""
    TURBULENCE = 113
    """Delays in a turbulent atmosphere, on two dates."""
    TERRAIN = 114
    STRATIFICATION = 115
    """How much more delay there is over valleys."""
    ORBIT = 116
    DECORRELATION = 117
    """Coherence, and the noise of looks."""
    COMPONENT = 118
    """Which component of a mixture a sample is of."""
    SHUFFLE = 121
    """The order of samples that are read from files."""

    OBSERVATION = 131
    """Noise of observations."""
    SENSORS = 132
    """Where sensors are, and which nodes a mask keeps."""
    POSTERIOR = 133
    """Draws that guidance makes besides those of samplers."""
    PARTICLES = 134
    """Which particles are kept."""
    BASELINE = 135
    """Draws given data that need no model, other ones than those of a reference."""
    UNITS = 136
    """Fields that tell the sizes of data."""
    CONDITION = 141
    """Data that conditional models are trained with."""
    LABELS = 142
    """Of which class a sample is."""
