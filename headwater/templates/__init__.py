"""Writes a project (`headwater new`) and a model product in it (`headwater init`)."""

from __future__ import annotations

from headwater.templates.products import Scaffold, write, write_from
from headwater.templates.projects import NewProject, project_files, write_project

__all__ = ["NewProject", "Scaffold", "project_files", "write", "write_from", "write_project"]
