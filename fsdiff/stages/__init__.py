"""The steps of a study, from files to files: one module per rule of the workflow.

``job`` is {"config": the slice of configuration that the step reads, "code": the fingerprint of its
code, "lineage": that of the files it makes}; all are written into every file it makes.
"""
