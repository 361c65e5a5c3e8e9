"""What the equations say about a data set: balances that its solutions must keep, and residuals.

A module for each system has functions from states to balances, and a part whose ``kind`` is that
of the source whose solutions it examines.
"""
