"""Laws of data sets as Gaussian laws pushed through a map: what a posterior of their fields needs.

A part of this family belongs to the source of the same kind.
"""
