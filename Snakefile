"""From a differential equation to judged samples: data, coarse-to-fine training, report."""

from snakemake.utils import min_version

min_version("9.19")


include: "workflow/rules/reading.smk"


# Used as a module, by another workflow that has a configuration, report and start of its own.
MAIN = workflow.modifier.is_main_snakefile()

if MAIN:
    check_files(workflow.configfiles or filter(os.path.exists, ["config.yaml"]))

    report: "workflow/report/workflow.rst"


# A configuration given on the command line replaces this one; Snakemake alone would mix them.
if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


include: "workflow/rules/snakemake_tuning.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/files.smk"
include: "workflow/rules/rows.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/posterior_files.smk"
include: "workflow/rules/posterior_figures.smk"
include: "workflow/rules/lineage.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/sample.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/posteriors.smk"
include: "workflow/rules/posterior_pages.smk"
include: "workflow/rules/trajectory.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/analyse.smk"
include: "workflow/rules/outdated.smk"


onstart:
    # Not called where another workflow uses this one as a module.
    check_devices(workflow)
    sweep(Path("results"), below=True)
    collect_garbage()
    schedule_once(workflow.scheduler)
    save_lineages(workflow)
    for line in (*remarks_on_size(STUDY), *remarks_on_data(STUDY)):
        logger.warning(line)


onsuccess:
    remove_lineages()


onerror:
    remove_lineages()


save_plans()
after_preparation(workflow, make_outdated_again)

if MAIN:
    after_preparation(workflow, check_profile)


rule all:
    default_target: MAIN
    input:
        **ends(),
    localrule: True
