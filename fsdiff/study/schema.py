"""The JSON Schema of a configuration file, and its top level as it is read, part by part."""

from functools import cache
from typing import Annotated, Any

from pydantic import Field

from fsdiff.blocks.types import Block
from fsdiff.study.evaluation import Evaluation
from fsdiff.study.fields import Name
from fsdiff.study.page import PageOfStudy
from fsdiff.study.searches import Search
from fsdiff.study.slices import Configuration
from fsdiff.study.study import Analyses, Claims, Dask, Device, Devices, Parallel
from fsdiff.study.variations import Varied

SCHEMA = "https://json-schema.org/draft/2020-12/schema"


class Shape(Block):
    """The top level alone, so that one bad data set or experiment hides no problem elsewhere."""

    datasets: Annotated[dict[Name, Any], Field(min_length=1)]
    defaults: dict[str, Any] = Field({})
    experiments: Annotated[dict[Name, Any], Field(min_length=1)]
    evaluation: Evaluation
    analyses: Analyses = Field({}, validate_default=False)
    observations: Any = None
    references: Any = None
    posteriors: Any = None
    searches: Any = None
    claims: Any = None
    page: Any = None
    dask: Dask = Dask()
    device: Device = "cpu"
    device_of: Devices = Devices()
    parallel: Parallel = Parallel()


class SearchesAlone(Block):
    """The searches, which vary experiments that are read before."""

    searches: dict[Name, Search]


class AboutTheStudy(Block):
    """The claims and the page, which are read last: they are about what the rest describes."""

    claims: Claims
    page: PageOfStudy = None


class AnalysesAlone(Block):
    """The top level of a configuration of analyses."""

    analyses: Analyses
    claims: Any = None
    page: Any = None


@cache
def json_schema() -> dict[str, Any]:
    """The JSON Schema of a configuration file, for editors."""
    schema = Configuration.model_json_schema()
    experiment = schema["$defs"]["Experiment"]
    experiment.pop("required")  # what is not there may come from the defaults
    experiment["properties"]["vary"] = Varied.model_json_schema()["properties"]["vary"]
    defaults = "Blocks for the experiments that do not have them; taken whole, never mixed."
    schema["properties"]["defaults"] = {"$ref": "#/$defs/Experiment", "description": defaults}
    together = [name for name, field in Shape.model_fields.items() if field.is_required()]
    schema["dependentRequired"] = {name: [n for n in together if n != name] for name in together}
    schema["minProperties"] = 1
    return {"$schema": SCHEMA, "title": "fsdiff configuration"} | schema
