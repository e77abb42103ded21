"""A function's zip: some 50 MB in a product of ours, and each of twenty functions has one."""

from __future__ import annotations

import os

from localcloud.account import ACCOUNT_ID
from localcloud.cloud import Cloud
from moto.awslambda.models import lambda_backends
from tests.functions.conftest import Deploy, zipped


def test_functions_with_the_same_zip_hold_it_once(cloud: Cloud, deploy: Deploy) -> None:
    code = zipped(app="def handler(event, context): return event", noise=f"{os.urandom(100)!r}")
    one, two, other = deploy("", code=code), deploy("", code=code), deploy("def handler(event, context): return 0")
    cloud.client("lambda").publish_version(FunctionName=one.name)
    functions = lambda_backends[ACCOUNT_ID][cloud.region]
    held = [functions.get_function(function.name).code_bytes for function in (one, two, other)]
    assert held[0] is held[1] == code
    assert held[2] != code
    assert functions.get_function(one.name, "1").code_bytes is held[0]
    assert [function(7).payload for function in (one, two, other)] == [7, 7, 0]
