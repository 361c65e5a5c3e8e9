"""What is observed of functions, and draws of functions given that."""


rule observe:
    input:
        data=observed_data,
    output:
        observation="results/observations/{observation}.nc",
    log:
        "logs/observe/{observation}.log",
    benchmark:
        "results/benchmarks/observe/{observation}.tsv"
    priority: SOUGHT
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        job=job("observe", "observation"),
        lineage=lineage_of_job,
    script:
        "../scripts/observe.py"


rule infer:
    input:
        weights=weights_of_posterior(".safetensors"),
        sidecar=weights_of_posterior(".json"),
        training=training_fields_of_posterior,
        observation=observation_read,
        shards=shards_of_draws,
    output:
        draws="results/posteriors/{posterior}/seed{seed}/{resolution}.nc",
        cost="results/posteriors/{posterior}/seed{seed}/{resolution}.json",
    log:
        "logs/infer/{posterior}/seed{seed}/{resolution}.log",
    benchmark:
        "results/benchmarks/infer/{posterior}/seed{seed}/{resolution}.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        **unless_gathered(shards_of_draws),
        mem_mb=growing(drawing_memory),
        runtime=240,
    params:
        job=job("infer", "posterior", "resolution", "seed"),
        lineage=lineage_of_job,
    script:
        "../scripts/infer.py"


use rule infer as infer_shard with:
    input:
        weights=weights_of_posterior(".safetensors"),
        sidecar=weights_of_posterior(".json"),
        training=training_fields_of_posterior,
        observation=observation_read,
    output:
        shard=temp(
            "results/posteriors/{posterior}/seed{seed}/{resolution}/{first}-{last}.shard.safetensors"
        ),
    log:
        "logs/infer_shard/{posterior}/seed{seed}/{resolution}/{first}-{last}.log",
    benchmark:
        "results/benchmarks/infer_shard/{posterior}/seed{seed}/{resolution}/{first}-{last}.tsv"


rule refer:
    input:
        observation=observation_read,
    output:
        draws="results/references/{reference}/{resolution}.nc",
    log:
        "logs/refer/{reference}/{resolution}.log",
    benchmark:
        "results/benchmarks/refer/{reference}/{resolution}.tsv"
    priority: LONG
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=720,
    params:
        job=job("refer", "reference", "resolution"),
        lineage=lineage_of_job,
    script:
        "../scripts/refer.py"


rule judge_posterior:
    input:
        draws="results/posteriors/{posterior}/seed{seed}/{resolution}.nc",
        observation=observation_read,
        reference=reference_beside,
        data=truths,
        classifiers=classifiers_of_truths,
    output:
        metrics="results/metrics/posteriors/{posterior}/seed{seed}/{resolution}.json",
    log:
        "logs/judge_posterior/{posterior}/seed{seed}/{resolution}.log",
    benchmark:
        "results/benchmarks/judge_posterior/{posterior}/seed{seed}/{resolution}.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        **METRICS_GPUS,
        mem_mb=growing(3000),
        runtime=growing(60),
    params:
        job=job("judge_posterior", "posterior", "resolution", "seed"),
        lineage=lineage_of_job,
    script:
        "../scripts/judge_posterior.py"


rule judge_baselines:
    input:
        observation=observation_read,
        reference=reference_beside,
        data=truths,
        classifiers=classifiers_of_truths,
    output:
        metrics="results/metrics/posteriors/baselines/{observation}/{resolution}.json",
    log:
        "logs/judge_baselines/{observation}/{resolution}.log",
    benchmark:
        "results/benchmarks/judge_baselines/{observation}/{resolution}.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        **METRICS_GPUS,
        mem_mb=growing(baselines_memory),
        runtime=growing(60),
    params:
        job=job("judge_baselines", "observation", "resolution"),
        lineage=lineage_of_job,
    script:
        "../scripts/judge_baselines.py"
