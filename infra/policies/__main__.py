#!/usr/bin/env python3
"""The policy pack of this project: what ``pulumi preview --policy-pack infra/policies`` starts.

A CLI without Python's language host can start this very file instead: ``--policy-pack infra/policies/__main__.py``.
"""

from headwater.infra.policies.pack import start

start()
