"""The parameter forms of flows equal those that Prefect derives from the flows."""

from __future__ import annotations

import pytest
from prefect.utilities.callables import parameter_schema_from_entrypoint

from wgan.prefect_server.forms import form_of
from wgan.prefect_server.names import FLOWS


@pytest.mark.parametrize("flow", FLOWS)
def test_a_form_equals_the_one_that_prefect_derives_from_the_flow(flow: str) -> None:
    assert form_of(flow) == parameter_schema_from_entrypoint(f"flows.{flow}.{flow}").model_dump_for_openapi()
