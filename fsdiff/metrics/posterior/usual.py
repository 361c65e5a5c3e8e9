"""The measures of posteriors that a study has unless it names others."""

USUAL: dict[str, dict[str, str]] = {
    "moments": {"kind": "posterior_moments"},
    "covariance": {"kind": "posterior_covariance"},
    "energy_distance": {"kind": "posterior_energy_distance"},
    "truth_error": {"kind": "truth_error"},
    "crps": {"kind": "crps"},
    "coverage": {"kind": "coverage"},
    "misfit": {"kind": "misfit"},
}
"""Their blocks, by name: all but those that need many cases or train a classifier."""
