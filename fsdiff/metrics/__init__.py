"""Measures of how far a set of fields is from another: ``metric(samples, reference, basis)``.

Import each from the module that defines it: some bring in libraries that others do not need.
"""
