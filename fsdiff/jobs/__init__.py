"""What surrounds the work of a job and has no part in its result.

Logs, interruption, locks, processes, devices, files that are whole or absent. All of this package
is outside the fingerprints of code, see ``fsdiff.provenance``.
"""
