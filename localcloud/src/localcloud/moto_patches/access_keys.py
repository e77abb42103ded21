"""Whose access key it is: moto makes IAM anew for each of AWS's partitions to find out, with its 1,300 policies."""

from __future__ import annotations

from moto.iam import models
from moto.iam.models import iam_backends

from localcloud.account import ACCOUNT_ID
from localcloud.moto_patches.patches import Patches


def apply(patches: Patches) -> None:
    """Let moto look only where somebody was before: nobody has a key in a partition that isn't in use."""

    def get_account_id_from(access_key: str) -> str:
        for account_id, account in list(iam_backends.items()):
            if any(access_key in backend.access_keys for backend in list(account.values())):
                return account_id
        return ACCOUNT_ID

    patches.set(models, "get_account_id_from", get_account_id_from)
