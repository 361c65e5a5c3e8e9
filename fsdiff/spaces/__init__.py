"""Function spaces: bases with their grids, modes and transforms, restriction, spectra."""
