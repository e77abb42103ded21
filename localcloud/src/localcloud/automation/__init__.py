"""Deployments by the real Pulumi CLI on the local cloud, through Pulumi's Automation API.

The program runs unchanged and in an interpreter of its own, as under the embedded engine; resources go through the
plugin over the same provider; state and history are in the same bucket. So either engine goes on where the other
stopped.
"""

from localcloud.automation.find import Cli, NoPulumi, find
from localcloud.automation.run import deploy, destroy
from localcloud.automation.variables import pulumi_variables

__all__ = ["Cli", "NoPulumi", "deploy", "destroy", "find", "pulumi_variables"]
