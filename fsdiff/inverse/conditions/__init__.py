"""What a conditional network is told of an observation: functions, the same on every grid.

The best linear estimate of the field given the data and the standard deviation of what is left, at
every place. Sensors may be anywhere and of any number; without any the estimate is zero and the
deviation that of the fields, so nothing observed needs no sign of its own. For Gaussian fields the
estimate is all that the data say: given the places, E[X_0 | X_t, y] depends on y through it alone.
"""
