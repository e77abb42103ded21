"""A project of CodeBuild may be named by its ARN wherever it may be named by its name; Terraform deletes it so.

https://docs.aws.amazon.com/codebuild/latest/APIReference/API_DeleteProject.html
"""

from __future__ import annotations

from typing import Any

from moto.codebuild.responses import CodeBuildResponse

from localcloud.moto_patches.patches import Patches


def apply(patches: Patches) -> None:
    """Let moto's CodeBuild read names out of ARNs."""
    read: Any = CodeBuildResponse._get_param

    def get_param(self: Any, name: str, if_none: Any = None) -> Any:
        value = read(self, name, if_none)
        if name in ("name", "projectName") and isinstance(value, str) and value.startswith("arn:"):
            return value.rpartition(":project/")[2]
        return value

    patches.set(CodeBuildResponse, "_get_param", get_param)
