"""Posteriors to compare with: converged Markov chains, and Gaussian laws in closed form."""
