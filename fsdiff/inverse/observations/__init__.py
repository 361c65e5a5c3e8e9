"""Observations y = H u + ε, ε ~ N(0, Γ), of functions; what is observed is the same on every grid.

The data y are numbers whose count does not depend on the grid: values of the function at places in
physical coordinates, means over cells of a fixed size, coefficients of fixed modes. A function on
the grid of level n is its series, and H is applied to the series exactly, by no interpolation
between nodes. So H on a coarse grid is the restriction of H on a fine one to the functions that the
coarse grid resolves, and posteriors have a limit under refinement.
"""
