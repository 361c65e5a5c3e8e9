"""One run of the tiny workflow for all tests."""

import pytest
from checkout import Checkout


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which the whole tiny workflow has run once; tests leave it as it was."""
    checkout = Checkout.create(tmp_path_factory.mktemp("finished") / "checkout")
    checkout.snakemake("--cores", "2")
    return checkout
