"""Coarse-to-fine training: each level is a job, warm-started from the weights of the one below."""

# Weights that are kept on the way are a file more, whose name says how often: to ask for them, or
# for others, is to train again, and to ask for them no longer changes nothing.
for name, every, experiments in ways_to_train():

    rule:
        name:
            name
        input:
            data=training_data,
            warm_start=coarser(".safetensors"),
            # Two trainings may end with the same weights; what was trained before differs.
            warm_start_sidecar=coarser(".json"),
        output:
            **trained(every),
        log:
            "logs/train/{experiment}/seed{seed}/{resolution}.log",
        benchmark:
            "results/benchmarks/train/{experiment}/seed{seed}/{resolution}.tsv"
        wildcard_constraints:
            experiment="|".join(map(re.escape, experiments)),
        priority: LONG
        conda:
            "../../envs/fsdiff.yaml"
        threads: STUDY.parallel.processes
        resources:
            **TRAINING_GPUS,
            mem_mb=growing(training_memory),
            runtime=720,
        params:
            job=job("train", "experiment", "resolution", "seed"),
            lineage=lineage_of_job,
        script:
            "../scripts/train.py"


if measured():

    # The model of a method that has nothing to train: the statistics of the data.
    rule measure:
        input:
            data=finest_data_of_one,
        output:
            weights="results/models/{experiment}/seed{seed}/{resolution}.safetensors",
            sidecar="results/models/{experiment}/seed{seed}/{resolution}.json",
        log:
            "logs/measure/{experiment}/seed{seed}/{resolution}.log",
        benchmark:
            "results/benchmarks/measure/{experiment}/seed{seed}/{resolution}.tsv"
        wildcard_constraints:
            experiment="|".join(map(re.escape, measured())),
        conda:
            "../../envs/fsdiff.yaml"
        threads: 1
        resources:
            mem_mb=growing(1000),
            runtime=growing(10),
        params:
            job=job("measure", "experiment", "resolution", "seed"),
            lineage=lineage_of_job,
        script:
            "../scripts/measure.py"
