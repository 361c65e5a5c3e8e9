"""Models as objects, for scripts and notebooks: fit, sample, save and load, without a workflow.

They are the methods of the workflow, trained by its trainer on the same random numbers.
"""
